/* udp_send: what is due, gathered into groups of equal datagrams and handed to the kernel. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "../core/endpoint.h"
#include "ident.h"
#include "log.h"
#include "udp_ecn.h"
#include "udp_int.h"
#include "udp_mtu.h"
#include "udp_poll.h"

bool
udp_blocked(const struct loop *l)
{
	return l->io->blocked;
}

void
udp_forget(struct udp_io *io, struct udp_sock *u)
{
	for (unsigned i = io->sent; i < io->ngroups; i++)
		if (io->groups[i].sock == u)
			io->groups[i].sock = NULL;
	/* The socket that was full may be this one: the rest may go. */
	io->blocked = false;
}

static bool
udp_group_takes(const struct udp_group *g, const struct path *p, size_t len, bool fragment, enum ecn_mark mark)
{
	return !g->closed && !g->fragment && !fragment && g->mark == mark && len <= g->segment && g->count < UDP_SEGMENTS_MAX &&
	    g->len + len <= UDP_GROUP_BYTES && path_equal(&g->path, p);
}

/* Fills the empty batch; true when it was cut short. */
static bool
udp_gather(struct loop *l)
{
	struct udp_io *io = l->io;
	uint8_t *p = io->out;

	io->ngroups = io->sent = 0;
	while ((size_t)(io->out + UDP_OUT_BYTES - p) >= UDP_DATAGRAM_MAX) {
		struct udp_group *g = io->ngroups > 0 ? &io->groups[io->ngroups - 1] : NULL;
		struct path path;
		enum ecn_mark mark;
		bool fragment;
		size_t len;

		if (io->ngroups == UDP_GROUPS)
			return true; /* the next one may need a group of its own */
		if ((len = endpoint_output(l->ep, &path, p, UDP_DATAGRAM_MAX, l->now)) == 0)
			return false;
		fragment = endpoint_fragment(l->ep);
		mark = endpoint_mark(l->ep);
		if (g == NULL || !udp_group_takes(g, &path, len, fragment, mark) || g->sock == NULL || g->sock->no_gso) {
			g = &io->groups[io->ngroups++];
			*g = (struct udp_group){ .sock = udp_find(l, path.sock), .path = path, .data = p, .segment = len,
				.fragment = fragment, .mark = (uint8_t)mark };
		}
		g->len += len;
		g->count++;
		g->closed = len < g->segment || endpoint_alone(l->ep);
		p += len;
	}
	return true;
}

static size_t
udp_put_pktinfo(struct udp_sock *u, const struct netaddr *local, struct cmsghdr *c)
{
	struct netaddr a = *local;

	if (u->domain == AF_INET) {
		struct in_pktinfo pi = { 0 };

		memcpy(&pi.ipi_spec_dst, a.ip, 4);
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(pi));
		memcpy(CMSG_DATA(c), &pi, sizeof(pi));
		return CMSG_SPACE(sizeof(pi));
	} else {
		struct in6_pktinfo pi = { 0 };

		netaddr_map(&a);
		memcpy(&pi.ipi6_addr, a.ip, 16);
		pi.ipi6_ifindex = local->scope;
		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(pi));
		memcpy(CMSG_DATA(c), &pi, sizeof(pi));
		return CMSG_SPACE(sizeof(pi));
	}
}

static void
udp_fill_msg(struct udp_io *io, unsigned i)
{
	struct udp_group *g = &io->groups[i];
	struct msghdr *m = &io->msgs[i].msg_hdr;
	char *control = io->controls[i].buf;
	size_t used = 0;

	memset(m, 0, sizeof(*m));
	memset(&io->controls[i], 0, sizeof(io->controls[i]));
	io->iovs[i] = (struct iovec){ g->data, g->len };
	m->msg_iov = &io->iovs[i];
	m->msg_iovlen = 1;
	if (!g->sock->connected) {
		m->msg_namelen = ident_to_sockaddr(&g->path.remote, g->sock->domain, &io->names[i]);
		m->msg_name = &io->names[i];
		if (g->path.local.family != 0)
			used += udp_put_pktinfo(g->sock, &g->path.local, (struct cmsghdr *)control);
		used += udp_ecn_put(g->sock, &g->path.remote, (enum ecn_mark)g->mark, (struct cmsghdr *)(control + used));
	}
	if (g->count > 1) {
		struct cmsghdr *c = (struct cmsghdr *)(control + used);
		uint16_t segment = (uint16_t)g->segment;

		c->cmsg_level = IPPROTO_UDP;
		c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof(segment));
		memcpy(CMSG_DATA(c), &segment, sizeof(segment));
		used += CMSG_SPACE(sizeof(segment));
	}
	m->msg_control = used > 0 ? control : NULL;
	m->msg_controllen = used;
}

static void
udp_too_big(struct loop *l, const struct udp_group *g)
{
	endpoint_too_big(l->ep, &g->path, g->segment, udp_mtu_payload(&g->path.remote, l->io->device_mtu), l->now);
}

/* EMSGSIZE may be the echo of an ICMP message for an earlier datagram. What is refused a second time is too large for the device. */
static void
udp_send_large(struct loop *l, unsigned i)
{
	struct udp_group *g = &l->io->groups[i];

	l->io->device_mtu = 0;
	udp_read_errors(l, g->sock);
	udp_fill_msg(l->io, i);
	if (sendmsg(g->sock->src.fd, &l->io->msgs[i].msg_hdr, MSG_NOSIGNAL) >= 0 || errno != EMSGSIZE)
		return;
	udp_read_errors(l, g->sock);
	udp_too_big(l, g);
}

/* Sends one group a datagram at a time, for sockets that refuse UDP_SEGMENT. False: they are refused for their size. */
static bool
udp_send_split(struct loop *l, unsigned i)
{
	struct udp_io *io = l->io;
	struct udp_group g = io->groups[i];

	io->groups[i].count = 1;
	for (size_t off = 0; off < g.len; off += g.segment) {
		size_t left = g.len - off;

		udp_fill_msg(io, i);
		io->iovs[i] = (struct iovec){ g.data + off, left < g.segment ? left : g.segment };
		/* Older kernels say EINVAL for segments that are too large for the device. */
		if (sendmsg(g.sock->src.fd, &io->msgs[i].msg_hdr, MSG_NOSIGNAL) < 0 && errno == EMSGSIZE) {
			io->device_mtu = 0;
			udp_read_errors(l, g.sock);
			udp_too_big(l, &g);
			return false;
		}
	}
	return true;
}

/* The error may be that of an ICMP message for another datagram, perhaps to somebody else: that is read, and this one sent. What is
 * refused a second time has no route. */
static void
udp_send_again(struct loop *l, unsigned i)
{
	struct udp_group *g = &l->io->groups[i];
	int core;

	udp_read_errors(l, g->sock);
	udp_fill_msg(l->io, i);
	if (sendmsg(g->sock->src.fd, &l->io->msgs[i].msg_hdr, MSG_NOSIGNAL) >= 0)
		return;
	core = errno != ECONNREFUSED ? udp_core_error(errno) : 0;
	log_debug("sendmsg: %s", strerror(errno));
	if (core != 0)
		endpoint_icmp(l->ep, &g->path, core, NULL, 0, l->now);
}

/* The group at io->sent was refused with `error`. False: the socket is full, wait. */
static bool
udp_send_failed(struct loop *l, int error)
{
	struct udp_io *io = l->io;
	struct udp_group *g = &io->groups[io->sent];

	switch (error) {
	case EAGAIN:
		io->blocked = true;
		(void)loop_modify(l, &g->sock->src, EPOLLOUT | (g->sock->src.events & EPOLLIN));
		return false;
	case EINVAL:
	case EIO:
		if (g->count > 1)
			g->sock->no_gso = udp_send_split(l, io->sent);
		break;
	case EMSGSIZE:
		udp_send_large(l, io->sent);
		break;
	default: /* ENOBUFS, EPERM (a filter): lost, as on the way */
		if (udp_core_error(error) == 0)
			log_debug("sendmsg: %s", strerror(error));
		else
			udp_send_again(l, io->sent);
		break;
	}
	io->sent++;
	return true;
}

static void
udp_send_batch(struct loop *l)
{
	struct udp_io *io = l->io;

	while (io->sent < io->ngroups) {
		struct udp_sock *sock = io->groups[io->sent].sock;
		enum ecn_mark mark = (enum ecn_mark)io->groups[io->sent].mark;
		unsigned n = 0;
		bool fragment;
		int r, error;

		if (sock == NULL) {
			io->sent++;
			continue;
		}
		fragment = io->groups[io->sent].fragment;
		while (io->sent + n < io->ngroups && io->groups[io->sent + n].sock == sock &&
		    io->groups[io->sent + n].fragment == fragment && (!sock->connected || io->groups[io->sent + n].mark == mark)) {
			udp_fill_msg(io, io->sent + n);
			n++;
		}
		if (sock->connected)
			udp_ecn_connected(sock, &io->groups[io->sent].path.remote, mark);
		if (fragment)
			udp_mtu_fragment(sock->src.fd, sock->domain, true);
		r = sendmmsg(sock->src.fd, &io->msgs[io->sent], n, MSG_NOSIGNAL);
		error = r < 0 ? errno : EIO;
		if (fragment)
			udp_mtu_fragment(sock->src.fd, sock->domain, false);
		if (r > 0)
			io->sent += (unsigned)r;
		else if (!udp_send_failed(l, error))
			return;
	}
}

bool
udp_flush(struct loop *l)
{
	struct udp_io *io = l->io;
	bool more;

	if (io->blocked)
		return false;
	if (io->sent < io->ngroups) {
		udp_send_batch(l);
		return !io->blocked;
	}
	more = udp_gather(l);
	udp_send_batch(l);
	return more && !io->blocked;
}
