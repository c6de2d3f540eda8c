#include "udp.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../core/endpoint.h"
#include "../core/error.h"
#include "../core/mem.h"
#include "fdroom.h"
#include "ident.h"
#include "keyring.h"
#include "listener.h"
#include "log.h"
#include "udp_bind.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define UDP_GROUPS 32u
#define UDP_SEGMENTS_MAX 64u          /* kernels before 6.9 refuse more */
#define UDP_GROUP_BYTES 64000u        /* one super-datagram stays below 65,507 */
#define UDP_DATAGRAM_MAX 2048u
#define UDP_OUT_BYTES (256u * 1024u)
#define UDP_IN_MESSAGES 8u
#define UDP_IN_BYTES 65536u
#define UDP_SOCKBUF (4 * 1024 * 1024)

/* Datagrams of one path and one size, contiguous: one sendmsg with UDP_SEGMENT. */
struct udp_group {
	struct udp_sock *sock;      /* NULL: its socket was closed meanwhile */
	struct path path;
	uint8_t *data;
	size_t len, segment;
	unsigned count;
	bool closed;                /* the last datagram is shorter: nothing may follow */
};

union udp_control {
	char buf[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t)) + CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

struct udp_io {
	uint8_t *out, *in;
	struct udp_group groups[UDP_GROUPS];
	unsigned ngroups, sent;     /* groups[sent..ngroups) wait */
	bool blocked;
	struct mmsghdr msgs[UDP_GROUPS];
	struct iovec iovs[UDP_GROUPS];
	struct sockaddr_storage names[UDP_GROUPS];
	union udp_control controls[UDP_GROUPS];
};

int
udp_io_new(struct loop *l)
{
	struct udp_io *io = mem_alloc(l->mem, sizeof(*io));

	if (io == NULL)
		return ENOMEM;
	io->out = mem_alloc_raw(l->mem, UDP_OUT_BYTES);
	io->in = mem_alloc_raw(l->mem, UDP_IN_MESSAGES * UDP_IN_BYTES);
	l->io = io;
	return io->out != NULL && io->in != NULL ? 0 : ENOMEM;
}

bool
udp_blocked(const struct loop *l)
{
	return l->io->blocked;
}

/* --- sockets --- */

static void
udp_copy_option(int from, int to, int level, int name)
{
	char value[64];
	socklen_t len = sizeof(value);

	if (getsockopt(from, level, name, value, &len) == 0 && len > 0)
		(void)setsockopt(to, level, name, value, len);
}

static void
udp_copy_options(int from, int to, int domain)
{
	static const struct { int level, name; } shared[] = {
		{ SOL_SOCKET, SO_BINDTODEVICE }, { SOL_SOCKET, SO_MARK }, { SOL_SOCKET, SO_PRIORITY },
		{ SOL_SOCKET, SO_REUSEPORT }, { IPPROTO_IP, IP_TOS }, { IPPROTO_IP, IP_TTL },
		{ IPPROTO_IP, IP_FREEBIND }, { IPPROTO_IP, IP_TRANSPARENT },
	};
	static const struct { int level, name; } six[] = {
		{ IPPROTO_IPV6, IPV6_V6ONLY }, { IPPROTO_IPV6, IPV6_TCLASS }, { IPPROTO_IPV6, IPV6_UNICAST_HOPS },
	};

	for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++)
		udp_copy_option(from, to, shared[i].level, shared[i].name);
	for (size_t i = 0; domain == AF_INET6 && i < sizeof(six) / sizeof(six[0]); i++)
		udp_copy_option(from, to, six[i].level, six[i].name);
}

static void
udp_prepare(int fd, int domain)
{
	int on = 1, size = UDP_SOCKBUF;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	(void)setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	if (domain == AF_INET6) {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	}
}

static int
udp_bind_connect(struct udp_sock *u, const struct netaddr *local, const struct netaddr *peer, enum udp_share share)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int error;

	if (local->family != 0 && (error = udp_bind(u->src.fd, u->domain, local, share)) != 0)
		return error;
	if (peer != NULL) {
		len = ident_to_sockaddr(peer, u->domain, &ss);
		if (connect(u->src.fd, (struct sockaddr *)&ss, len) != 0)
			return errno;
		u->connected = true;
	}
	len = sizeof(ss);
	if (getsockname(u->src.fd, (struct sockaddr *)&ss, &len) != 0)
		return errno;
	return ident_from_sockaddr(&u->local, (struct sockaddr *)&ss, len) ? 0 : EAFNOSUPPORT;
}

void
udp_allow_reuse(struct udp_sock *u)
{
	udp_bind_reuse(u->src.fd, true);
}

static void udp_ready(struct loop *, struct source *, uint32_t);

int
udp_open(struct loop *l, const struct netaddr *local, const struct netaddr *peer, int domain, int like,
    enum udp_share share, struct udp_sock **out)
{
	struct udp_sock *u = mem_alloc(l->mem, sizeof(*u));
	struct udp_sock **slot;
	int error;

	if (u == NULL)
		return ENOBUFS;
	u->src.size = sizeof(*u);
	u->src.ready = udp_ready;
	u->domain = domain;
	u->handle = loop_new_id(l);
	u->src.fd = fdroom_socket(domain, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (u->src.fd < 0) {
		error = errno;
		goto fail;
	}
	if (like >= 0)
		udp_copy_options(like, u->src.fd, domain);
	udp_prepare(u->src.fd, domain);
	if ((error = udp_bind_connect(u, local, peer, share)) != 0 || (error = loop_add(l, &u->src, EPOLLIN)) != 0)
		goto fail;
	slot = &l->udp_hash[u->handle % LOOP_HASH];
	u->hash_next = *slot;
	*slot = u;
	LIST_INSERT_HEAD(&l->udps, u, all);
	*out = u;
	return 0;
fail:
	loop_close(l, &u->src);
	mem_free(l->mem, u, sizeof(*u));
	return error;
}

void
udp_close(struct loop *l, struct udp_sock *u)
{
	struct udp_sock **p = &l->udp_hash[u->handle % LOOP_HASH];
	struct udp_io *io = l->io;

	while (*p != u)
		p = &(*p)->hash_next;
	*p = u->hash_next;
	LIST_REMOVE(u, all);
	for (unsigned i = io->sent; i < io->ngroups; i++)
		if (io->groups[i].sock == u)
			io->groups[i].sock = NULL;
	/* The socket that was full may be this one: the rest may go. */
	io->blocked = false;
	loop_retire(l, &u->src);
}

void
udp_close_later(struct loop *l, struct udp_sock *u, bool repeat)
{
	/* The list is looked at before the loop sleeps, which is after this turn's datagrams were sent. */
	u->close_at = l->now + (repeat ? UDP_LAME_US : 0);
	if (repeat)
		TAILQ_INSERT_TAIL(&l->lame, u, lame);
	else
		TAILQ_INSERT_HEAD(&l->lame, u, lame);
}

uint64_t
udp_close_lame(struct loop *l)
{
	struct udp_sock *u;

	while ((u = TAILQ_FIRST(&l->lame)) != NULL && u->close_at <= l->now) {
		TAILQ_REMOVE(&l->lame, u, lame);
		udp_close(l, u);
	}
	return u != NULL ? u->close_at : KCP_NEVER;
}

static struct udp_sock *
udp_find(struct loop *l, uint32_t handle)
{
	struct udp_sock *u = l->udp_hash[handle % LOOP_HASH];

	while (u != NULL && u->handle != handle)
		u = u->hash_next;
	return u;
}

/* --- out --- */

static bool
udp_group_takes(const struct udp_group *g, const struct path *p, size_t len)
{
	return !g->closed && len <= g->segment && g->count < UDP_SEGMENTS_MAX &&
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
		size_t len;

		if (io->ngroups == UDP_GROUPS)
			return true; /* the next one may need a group of its own */
		if ((len = endpoint_output(l->ep, &path, p, UDP_DATAGRAM_MAX, l->now)) == 0)
			return false;
		if (g == NULL || !udp_group_takes(g, &path, len) || g->sock == NULL || g->sock->no_gso) {
			g = &io->groups[io->ngroups++];
			*g = (struct udp_group){ .sock = udp_find(l, path.sock), .path = path, .data = p, .segment = len };
		}
		g->len += len;
		g->count++;
		g->closed = len < g->segment;
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

static int
udp_core_error(int error)
{
	switch (error) {
	case ECONNREFUSED:
	case EACCES:
		return KCPSHIM_E_REFUSED;
	case ENETUNREACH:
	case ENETDOWN:
		return KCPSHIM_E_NETUNREACH;
	case EHOSTUNREACH:
	case EHOSTDOWN:
	case ENOPROTOOPT: /* ICMP protocol unreachable, as TCP reports it */
		return KCPSHIM_E_HOSTUNREACH;
	default:
		return 0;
	}
}

/* Sends one group a datagram at a time, for sockets that refuse UDP_SEGMENT. */
static void
udp_send_split(struct udp_io *io, unsigned i)
{
	struct udp_group g = io->groups[i];

	io->groups[i].count = 1;
	for (size_t off = 0; off < g.len; off += g.segment) {
		size_t left = g.len - off;

		udp_fill_msg(io, i);
		io->iovs[i] = (struct iovec){ g.data + off, left < g.segment ? left : g.segment };
		(void)sendmsg(g.sock->src.fd, &io->msgs[i].msg_hdr, MSG_NOSIGNAL);
	}
}

static void
udp_too_big(struct loop *l, struct udp_group *g)
{
	int mtu = 0;
	socklen_t len = sizeof(mtu);
	int level = g->sock->domain == AF_INET6 && g->path.remote.family == 6 ? IPPROTO_IPV6 : IPPROTO_IP;
	int header = g->path.remote.family == 6 ? 48 : 28;

	if (g->sock->connected &&
	    getsockopt(g->sock->src.fd, level, level == IPPROTO_IPV6 ? IPV6_MTU : IP_MTU, &mtu, &len) == 0 && mtu > header)
		endpoint_path_mtu(l->ep, &g->path, (size_t)(mtu - header), l->now);
	else
		endpoint_path_mtu(l->ep, &g->path, g->segment - 1, l->now);
}

static void udp_read_errors(struct loop *, struct udp_sock *);

/* The group at io->sent was refused with `error`. False: the socket is full, wait. */
static bool
udp_send_failed(struct loop *l, int error)
{
	struct udp_io *io = l->io;
	struct udp_group *g = &io->groups[io->sent];
	int core;

	switch (error) {
	case EAGAIN:
		io->blocked = true;
		(void)loop_modify(l, &g->sock->src, EPOLLIN | EPOLLOUT);
		return false;
	case EINVAL:
	case EIO:
		if (g->count > 1) {
			g->sock->no_gso = true;
			udp_send_split(io, io->sent);
		}
		break;
	case EMSGSIZE:
		udp_too_big(l, g);
		break;
	case ECONNREFUSED: /* a pending ICMP error; this datagram was not sent */
		udp_read_errors(l, g->sock);
		udp_fill_msg(io, io->sent);
		(void)sendmsg(g->sock->src.fd, &io->msgs[io->sent].msg_hdr, MSG_NOSIGNAL);
		break;
	default: /* ENOBUFS, EPERM (a filter): lost, as on the way */
		if ((core = udp_core_error(error)) != 0)
			endpoint_icmp(l->ep, &g->path, core, l->now);
		log_debug("sendmsg: %s", strerror(error));
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
		unsigned n = 0;
		int r;

		if (sock == NULL) {
			io->sent++;
			continue;
		}
		while (io->sent + n < io->ngroups && io->groups[io->sent + n].sock == sock) {
			udp_fill_msg(io, io->sent + n);
			n++;
		}
		r = sendmmsg(sock->src.fd, &io->msgs[io->sent], n, MSG_NOSIGNAL);
		if (r > 0)
			io->sent += (unsigned)r;
		else if (!udp_send_failed(l, r < 0 ? errno : EIO))
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

/* --- in --- */

/* Local address and UDP_GRO segment size of a received message. */
static void
udp_parse_control(struct msghdr *m, struct netaddr *local, size_t *segment)
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
		}
	}
}

static void
udp_deliver(struct loop *l, struct udp_sock *u, struct mmsghdr *mm, uint8_t *data)
{
	struct path path = { .sock = u->handle };
	size_t len = mm->msg_len, segment = len;

	if (!ident_from_sockaddr(&path.remote, mm->msg_hdr.msg_name, mm->msg_hdr.msg_namelen))
		return;
	netaddr_unmap(&path.remote);
	udp_parse_control(&mm->msg_hdr, &path.local, &segment);
	path.local.port = u->local.port;
	if (u->connected)
		memset(&path.local, 0, sizeof(path.local));
	if (segment == 0)
		return;
	for (size_t off = 0; off < len; off += segment) {
		size_t n = len - off < segment ? len - off : segment;
		int r = endpoint_input(l->ep, &path, data + off, n, l->now);

		if (r < 0)
			log_debug("datagram of %zu bytes dropped: %s", n, kcpshim_strerror(r));
	}
}

static void
udp_receive(struct loop *l, struct udp_sock *u)
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
		return;
	}
	if (u->listener != NULL) {
		listener_update_room(l, u->listener);
		keyring_refresh_due(l);
	}
	for (int i = 0; i < n && u->src.fd >= 0; i++)
		udp_deliver(l, u, &msgs[i], iov[i].iov_base);
}

static void
udp_read_errors(struct loop *l, struct udp_sock *u)
{
	for (int i = 0; i < 64; i++) {
		struct sockaddr_storage name;
		union { char buf[512]; struct cmsghdr align; } control;
		char quoted[64];
		struct iovec iov = { quoted, sizeof(quoted) };
		struct msghdr m = { .msg_name = &name, .msg_namelen = sizeof(name), .msg_iov = &iov, .msg_iovlen = 1,
			.msg_control = &control, .msg_controllen = sizeof(control) };
		struct path path = { .sock = u->handle };

		if (recvmsg(u->src.fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
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
			if (ee.ee_errno == EMSGSIZE && ee.ee_info > 48)
				endpoint_path_mtu(l->ep, &path, ee.ee_info - (path.remote.family == 6 ? 48u : 28u), l->now);
			else if ((core = udp_core_error((int)ee.ee_errno)) != 0)
				endpoint_icmp(l->ep, &path, core, l->now);
		}
	}
	if (u->src.fd >= 0) {
		int error;
		socklen_t len = sizeof(error);

		/* Clears what the queue did not explain, else EPOLLERR would never end. */
		(void)getsockopt(u->src.fd, SOL_SOCKET, SO_ERROR, &error, &len);
	}
}

static void
udp_ready(struct loop *l, struct source *src, uint32_t events)
{
	struct udp_sock *u = (struct udp_sock *)src;

	if (events & EPOLLERR)
		udp_read_errors(l, u);
	if (src->fd >= 0 && (events & EPOLLOUT)) {
		l->io->blocked = false;
		(void)loop_modify(l, src, EPOLLIN);
	}
	if (src->fd >= 0 && (events & EPOLLIN))
		udp_receive(l, u);
}
