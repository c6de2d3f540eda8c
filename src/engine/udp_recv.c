/* udp_recv: datagrams and errors out of the kernel and into the endpoint. */
#include <errno.h>
#include <time.h>
#include <linux/errqueue.h>
#include <string.h>
#include <sys/epoll.h>

#include "../core/endpoint.h"
#include "../core/error.h"
#include "ident.h"
#include "keyring.h"
#include "listener.h"
#include "log.h"
#include "udp_ecn.h"
#include "udp_int.h"
#include "udp_mtu.h"
#include "udp_poll.h"

/* Local address, UDP_GRO segment size and ECN field of a received message. */
static void
udp_parse_control(struct msghdr *m, struct netaddr *local, size_t *segment, enum ecn_mark *mark)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo pi;

			memcpy(&pi, CMSG_DATA(c), sizeof(pi));
			memset(local, 0, sizeof(*local));
			local->family = 4;
			memcpy(local->ip, &pi.ipi_addr, 4);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo pi;

			memcpy(&pi, CMSG_DATA(c), sizeof(pi));
			memset(local, 0, sizeof(*local));
			local->family = 6;
			memcpy(local->ip, &pi.ipi6_addr, 16);
			if (IN6_IS_ADDR_LINKLOCAL(&pi.ipi6_addr))
				local->scope = pi.ipi6_ifindex;
			netaddr_unmap(local);
		} else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
			int size;

			memcpy(&size, CMSG_DATA(c), sizeof(size));
			*segment = (size_t)size;
		} else {
			(void)udp_ecn_read(c, mark);
		}
	}
}

/* Returns how many datagrams it was. */
static unsigned
udp_deliver(struct loop *l, struct udp_sock *u, struct mmsghdr *mm, uint8_t *data)
{
	struct path path = { .sock = u->handle };
	size_t len = mm->msg_len, segment = len;
	enum ecn_mark mark = ECN_NOT_ECT;

	if (!ident_from_sockaddr(&path.remote, mm->msg_hdr.msg_name, mm->msg_hdr.msg_namelen))
		return 0;
	netaddr_unmap(&path.remote);
	udp_parse_control(&mm->msg_hdr, &path.local, &segment, &mark);
	path.local.port = u->local.port;
	if (u->connected)
		memset(&path.local, 0, sizeof(path.local));
	if (segment == 0)
		return 0;
	endpoint_set_mark(l->ep, mark);
	for (size_t off = 0; off < len; off += segment) {
		size_t n = len - off < segment ? len - off : segment;
		int r = endpoint_input(l->ep, &path, data + off, n, l->now);

		if (r < 0)
			log_debug("datagram of %zu bytes dropped: %s", n, kcpshim_strerror(r));
	}
	return (unsigned)((len + segment - 1) / segment);
}

static int
udp_receive_some(struct loop *l, struct udp_sock *u, unsigned *datagrams)
{
	struct mmsghdr msgs[UDP_IN_MESSAGES];
	struct iovec iov[UDP_IN_MESSAGES];
	struct sockaddr_storage names[UDP_IN_MESSAGES];
	union udp_control controls[UDP_IN_MESSAGES];
	int n;

	for (unsigned i = 0; i < UDP_IN_MESSAGES; i++) {
		iov[i] = (struct iovec){ l->io->in + (size_t)i * UDP_IN_BYTES, UDP_IN_BYTES };
		msgs[i].msg_hdr = (struct msghdr){ .msg_name = &names[i], .msg_namelen = sizeof(names[i]),
			.msg_iov = &iov[i], .msg_iovlen = 1, .msg_control = &controls[i], .msg_controllen = sizeof(controls[i]) };
	}
	n = recvmmsg(u->src.fd, msgs, UDP_IN_MESSAGES, MSG_DONTWAIT, NULL);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			udp_read_errors(l, u);
		return n;
	}
	if (u->listener != NULL) {
		listener_update_room(l, u->listener);
		keyring_refresh_due(l);
	}
	for (int i = 0; i < n && u->src.fd >= 0; i++)
		*datagrams += udp_deliver(l, u, &msgs[i], iov[i].iov_base);
	return n;
}

void
udp_receive(struct loop *l, struct udp_sock *u)
{
	unsigned datagrams = 0, rounds = u->poll.interval != 0 ? UDP_IN_ROUNDS : 1;

	while (rounds-- > 0 && u->src.fd >= 0 && udp_receive_some(l, u, &datagrams) == (int)UDP_IN_MESSAGES)
		;
	if (u->src.fd >= 0)
		udp_poll_count(l, u, datagrams);
}

void
udp_read_errors(struct loop *l, struct udp_sock *u)
{
	for (int i = 0; i < 64; i++) {
		struct sockaddr_storage name;
		union { char buf[512]; struct cmsghdr align; } control;
		uint8_t quoted[64];
		struct iovec iov = { quoted, sizeof(quoted) };
		struct msghdr m = { .msg_name = &name, .msg_namelen = sizeof(name), .msg_iov = &iov, .msg_iovlen = 1,
			.msg_control = &control, .msg_controllen = sizeof(control) };
		struct path path = { .sock = u->handle };

		ssize_t n = recvmsg(u->src.fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT);

		if (n < 0)
			break;
		if (!ident_from_sockaddr(&path.remote, (struct sockaddr *)&name, m.msg_namelen))
			continue;
		netaddr_unmap(&path.remote);
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
			struct sock_extended_err ee;
			int core;

			if (!(c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) &&
			    !(c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
				continue;
			memcpy(&ee, CMSG_DATA(c), sizeof(ee));
			if (ee.ee_origin == SO_EE_ORIGIN_LOCAL && ee.ee_errno == EMSGSIZE)
				l->io->device_mtu = ee.ee_info;
			else if (ee.ee_errno == EMSGSIZE)
				endpoint_path_mtu(l->ep, &path, udp_mtu_payload(&path.remote, ee.ee_info), l->now);
			else if ((core = udp_core_error((int)ee.ee_errno)) != 0)
				endpoint_icmp(l->ep, &path, core, quoted, (size_t)n, l->now);
		}
	}
	if (u->src.fd >= 0) {
		int error;
		socklen_t len = sizeof(error);

		/* Clears what the queue did not explain, else EPOLLERR would never end. */
		(void)getsockopt(u->src.fd, SOL_SOCKET, SO_ERROR, &error, &len);
	}
}

void
udp_ready(struct loop *l, struct source *src, uint32_t events)
{
	struct udp_sock *u = (struct udp_sock *)src;

	if (events & EPOLLERR)
		udp_read_errors(l, u);
	if (src->fd >= 0 && (events & EPOLLOUT)) {
		l->io->blocked = false;
		(void)loop_modify(l, src, src->events & EPOLLIN);
	}
	if (src->fd >= 0 && (events & EPOLLIN))
		udp_receive(l, u);
}
