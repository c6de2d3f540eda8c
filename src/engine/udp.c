#include "udp.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../core/endpoint.h"
#include "../core/error.h"
#include "../core/mem.h"
#include "fdroom.h"
#include "ident.h"
#include "udp_bind.h"
#include "udp_ecn.h"
#include "udp_int.h"
#include "udp_mtu.h"
#include "udp_poll.h"

#define UDP_SOCKBUF (4 * 1024 * 1024)

int
udp_io_new(struct loop *l)
{
	struct udp_io *io = mem_alloc(l->mem, sizeof(*io));

	if (io == NULL)
		return ENOMEM;
	TAILQ_INIT(&io->polled);
	io->out = mem_alloc_raw(l->mem, UDP_OUT_BYTES);
	io->in = mem_alloc_raw(l->mem, UDP_IN_MESSAGES * UDP_IN_BYTES);
	l->io = io;
	return io->out != NULL && io->in != NULL ? 0 : ENOMEM;
}

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
	udp_mtu_prepare(fd, domain);
	udp_ecn_prepare(fd, domain);
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

static bool
udp_peer(const struct udp_sock *u, struct netaddr *peer)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	return u->connected && getpeername(u->src.fd, (struct sockaddr *)&ss, &len) == 0 && ident_from_sockaddr(peer, (struct sockaddr *)&ss, len);
}

bool
udp_is_double(const struct loop *l, const struct udp_sock *u)
{
	struct netaddr mine, other;
	const struct udp_sock *o;

	if (!udp_peer(u, &mine))
		return false;
	LIST_FOREACH(o, &l->udps, all)
		if (o != u && netaddr_equal(&o->local, &u->local) && udp_peer(o, &other) && netaddr_equal(&other, &mine))
			return true;
	return false;
}

void
udp_allow_reuse(struct udp_sock *u, bool on)
{
	udp_bind_reuse(u->src.fd, on);
}

void
udp_share(struct udp_sock *u, bool on)
{
	udp_bind_share(u->src.fd, on);
}

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

	while (*p != u)
		p = &(*p)->hash_next;
	*p = u->hash_next;
	LIST_REMOVE(u, all);
	udp_poll_stop(l, u);
	udp_forget(l->io, u);
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

struct udp_sock *
udp_find(struct loop *l, uint32_t handle)
{
	struct udp_sock *u = l->udp_hash[handle % LOOP_HASH];

	while (u != NULL && u->handle != handle)
		u = u->hash_next;
	return u;
}

int
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
