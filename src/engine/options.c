#include "options.h"

#include <errno.h>
#include <linux/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "../core/mem.h"
#include "fdroom.h"

#ifndef SOL_TCP
#define SOL_TCP IPPROTO_TCP
#endif

static struct option *
options_find(const struct options *o, int level, int name)
{
	for (unsigned i = 0; i < o->count; i++)
		if (o->list[i].level == level && o->list[i].name == name)
			return &o->list[i];
	return NULL;
}

void
options_dispose(struct mem *m, struct options *o)
{
	mem_free(m, o->list, o->cap * sizeof(*o->list));
	memset(o, 0, sizeof(*o));
}

int
options_keep(struct mem *m, struct options *o, int level, int name, const void *value, size_t len)
{
	struct option *e = options_find(o, level, name);

	if (len > OPTIONS_LEN_MAX)
		return EINVAL;
	if (e == NULL) {
		if (o->count == OPTIONS_MAX)
			return ENOBUFS;
		if (o->count == o->cap) {
			unsigned cap = o->cap == 0 ? 2 : o->cap * 2;
			struct option *list = mem_alloc(m, cap * sizeof(*list));

			if (list == NULL)
				return ENOBUFS;
			if (o->count > 0)
				memcpy(list, o->list, o->count * sizeof(*list));
			mem_free(m, o->list, o->cap * sizeof(*list));
			o->list = list;
			o->cap = cap;
		}
		e = &o->list[o->count++];
		e->level = level;
		e->name = name;
	}
	e->len = (uint32_t)len;
	memcpy(e->value, value, len);
	return 0;
}

int
options_copy(struct mem *m, struct options *to, const struct options *from)
{
	int error;

	for (unsigned i = 0; i < from->count; i++) {
		const struct option *e = &from->list[i];

		if ((error = options_keep(m, to, e->level, e->name, e->value, e->len)) != 0)
			return error;
	}
	return 0;
}

/* Options that a program sets before connect() or listen() and that mean something later. */
static const struct { int level, name; } options_early[] = {
	{ SOL_SOCKET, SO_KEEPALIVE }, { SOL_SOCKET, SO_LINGER }, { SOL_SOCKET, SO_RCVBUF }, { SOL_SOCKET, SO_SNDBUF },
	{ SOL_SOCKET, SO_REUSEADDR }, { SOL_SOCKET, SO_REUSEPORT }, { SOL_SOCKET, SO_OOBINLINE },
	{ SOL_SOCKET, SO_PRIORITY }, { SOL_SOCKET, SO_MARK }, { SOL_SOCKET, SO_BINDTODEVICE }, { SOL_SOCKET, SO_RCVLOWAT },
	{ SOL_SOCKET, SO_DONTROUTE },
	{ IPPROTO_TCP, TCP_NODELAY }, { IPPROTO_TCP, TCP_MAXSEG }, { IPPROTO_TCP, TCP_CORK }, { IPPROTO_TCP, TCP_KEEPIDLE },
	{ IPPROTO_TCP, TCP_KEEPINTVL }, { IPPROTO_TCP, TCP_KEEPCNT }, { IPPROTO_TCP, TCP_SYNCNT },
	{ IPPROTO_TCP, TCP_LINGER2 }, { IPPROTO_TCP, TCP_DEFER_ACCEPT }, { IPPROTO_TCP, TCP_WINDOW_CLAMP },
	{ IPPROTO_TCP, TCP_QUICKACK }, { IPPROTO_TCP, TCP_CONGESTION }, { IPPROTO_TCP, TCP_USER_TIMEOUT },
	{ IPPROTO_TCP, TCP_FASTOPEN }, { IPPROTO_TCP, TCP_FASTOPEN_CONNECT }, { IPPROTO_TCP, TCP_NOTSENT_LOWAT },
	{ IPPROTO_IP, IP_TOS }, { IPPROTO_IP, IP_TTL }, { IPPROTO_IP, IP_MTU_DISCOVER }, { IPPROTO_IP, IP_FREEBIND },
	{ IPPROTO_IP, IP_TRANSPARENT }, { IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT },
	{ IPPROTO_IPV6, IPV6_V6ONLY }, { IPPROTO_IPV6, IPV6_TCLASS }, { IPPROTO_IPV6, IPV6_UNICAST_HOPS },
	{ IPPROTO_IPV6, IPV6_MTU_DISCOVER },
};

/* A buffer that the program sized itself does not grow by itself any more, even if it has the usual size. */
static bool
options_is_locked(int fd, int level, int name)
{
	int locks = 0;
	socklen_t len = sizeof(locks);

	if (level != SOL_SOCKET || (name != SO_SNDBUF && name != SO_RCVBUF) ||
	    getsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &locks, &len) != 0)
		return false;
	return locks & (name == SO_SNDBUF ? SOCK_SNDBUF_LOCK : SOCK_RCVBUF_LOCK);
}

#define EARLY (sizeof(options_early) / sizeof(options_early[0]))

/* One address family's; len 0: the kernel has no such option. */
struct usual_values {
	uint64_t until;
	struct {
		uint8_t len, value[OPTIONS_LEN_MAX];
	} of[EARLY];
};

struct options_usual {
	struct usual_values inet, inet6;
};

/* NULL: no memory, or no socket (errno). */
static const struct usual_values *
usual_values(struct mem *m, struct options_usual **usual, int domain, uint64_t now)
{
	struct usual_values *u;
	int fresh;

	if (*usual == NULL && (*usual = mem_alloc(m, sizeof(**usual))) == NULL) {
		errno = ENOBUFS;
		return NULL;
	}
	u = domain == AF_INET6 ? &(*usual)->inet6 : &(*usual)->inet;
	if (now < u->until)
		return u;
	if ((fresh = fdroom_socket(domain, SOCK_STREAM, IPPROTO_TCP)) < 0)
		return NULL;
	for (size_t i = 0; i < EARLY; i++) {
		socklen_t len = sizeof(u->of[i].value);

		u->of[i].len = getsockopt(fresh, options_early[i].level, options_early[i].name, u->of[i].value, &len) == 0 ? (uint8_t)len : 0;
	}
	close(fresh);
	u->until = now + OPTIONS_USUAL_US;
	return u;
}

void
options_usual_free(struct mem *m, struct options_usual *usual)
{
	mem_free(m, usual, sizeof(*usual));
}

int
options_read(struct mem *m, struct options_usual **usual, struct options *o, int tcp_fd, int domain, uint64_t now)
{
	const struct usual_values *u = usual_values(m, usual, domain, now);
	int error = 0;

	if (u == NULL)
		return errno;
	for (size_t i = 0; error == 0 && i < EARLY; i++) {
		uint8_t have[OPTIONS_LEN_MAX];
		socklen_t len = sizeof(have);
		int level = options_early[i].level, name = options_early[i].name;

		if ((level == IPPROTO_IPV6 && domain != AF_INET6) ||
		    getsockopt(tcp_fd, level, name, have, &len) != 0 || len == 0)
			continue;
		if (!options_is_locked(tcp_fd, level, name) && u->of[i].len == len && memcmp(have, u->of[i].value, len) == 0)
			continue;
		error = options_keep(m, o, level, name, have, len);
	}
	return error;
}

int
options_set(struct mem *m, struct options *o, int domain, int level, int name, const void *value, size_t len)
{
	uint8_t now[OPTIONS_LEN_MAX];
	socklen_t nlen = sizeof(now);
	int fd = fdroom_socket(domain, SOCK_STREAM, IPPROTO_TCP), error = 0;

	if (fd < 0)
		return errno;
	if (setsockopt(fd, level, name, value, (socklen_t)len) != 0)
		error = errno;
	else if (getsockopt(fd, level, name, now, &nlen) == 0 && nlen > 0)
		error = options_keep(m, o, level, name, now, nlen);
	nlen = sizeof(now);
	/* The one follows the other (Linux __ip_sock_set_tos()). */
	if (error == 0 && level == IPPROTO_IP && name == IP_TOS && getsockopt(fd, SOL_SOCKET, SO_PRIORITY, now, &nlen) == 0)
		error = options_keep(m, o, SOL_SOCKET, SO_PRIORITY, now, nlen);
	close(fd);
	return error;
}

int
options_get(const struct options *o, int domain, int level, int name, void *value, size_t *len)
{
	const struct option *e = options_find(o, level, name);
	socklen_t n = (socklen_t)*len;
	int fd, error = 0;

	if (e != NULL) {
		if (*len > e->len)
			*len = e->len;
		memcpy(value, e->value, *len);
		return 0;
	}
	if ((fd = fdroom_socket(domain, SOCK_STREAM, IPPROTO_TCP)) < 0)
		return errno;
	if (getsockopt(fd, level, name, value, &n) != 0)
		error = errno;
	else
		*len = n;
	close(fd);
	return error;
}

int
options_int(const struct options *o, int level, int name, int otherwise)
{
	const struct option *e = options_find(o, level, name);
	int value;

	if (e == NULL || e->len < sizeof(value))
		return otherwise;
	memcpy(&value, e->value, sizeof(value));
	return value;
}

bool
options_linger(const struct options *o, int *seconds)
{
	const struct option *e = options_find(o, SOL_SOCKET, SO_LINGER);
	struct linger lg;

	if (e == NULL || e->len < sizeof(lg))
		return false;
	memcpy(&lg, e->value, sizeof(lg));
	*seconds = lg.l_linger;
	return lg.l_onoff != 0;
}
