/* Options: what getsockopt and setsockopt say of fresh, connected, accepted and listening sockets. */
#include <sys/time.h>

#include "probe.h"

/* How much of a value can be the same over any carrier. */
enum shape { VALUE, LENGTH, ONLY_RC };

static const struct option {
	const char *name;
	int level, number;
	enum shape shape;
} options[] = {
#define O(level, name, shape) { #name, level, name, shape }
	O(SOL_SOCKET, SO_ACCEPTCONN, VALUE), O(SOL_SOCKET, SO_BROADCAST, VALUE), O(SOL_SOCKET, SO_BUSY_POLL, VALUE),
	O(SOL_SOCKET, SO_DEBUG, VALUE), O(SOL_SOCKET, SO_DOMAIN, VALUE), O(SOL_SOCKET, SO_DONTROUTE, VALUE),
	O(SOL_SOCKET, SO_ERROR, VALUE), O(SOL_SOCKET, SO_INCOMING_CPU, LENGTH), O(SOL_SOCKET, SO_KEEPALIVE, VALUE),
	O(SOL_SOCKET, SO_LINGER, VALUE), O(SOL_SOCKET, SO_MARK, VALUE), O(SOL_SOCKET, SO_NO_CHECK, VALUE),
	O(SOL_SOCKET, SO_OOBINLINE, VALUE), O(SOL_SOCKET, SO_PASSCRED, VALUE), O(SOL_SOCKET, SO_PASSSEC, VALUE),
	O(SOL_SOCKET, SO_PEEK_OFF, VALUE), O(SOL_SOCKET, SO_PEERCRED, VALUE), O(SOL_SOCKET, SO_PRIORITY, VALUE),
	O(SOL_SOCKET, SO_PROTOCOL, VALUE), O(SOL_SOCKET, SO_RCVBUF, LENGTH), O(SOL_SOCKET, SO_RCVLOWAT, VALUE),
	O(SOL_SOCKET, SO_RCVTIMEO, VALUE), O(SOL_SOCKET, SO_REUSEADDR, VALUE), O(SOL_SOCKET, SO_REUSEPORT, VALUE),
	O(SOL_SOCKET, SO_SNDBUF, LENGTH), O(SOL_SOCKET, SO_SNDLOWAT, VALUE), O(SOL_SOCKET, SO_SNDTIMEO, VALUE),
	O(SOL_SOCKET, SO_TIMESTAMP, VALUE), O(SOL_SOCKET, SO_TYPE, VALUE),
	O(SOL_SOCKET, SO_COOKIE, LENGTH), O(SOL_SOCKET, SO_MAX_PACING_RATE, VALUE), O(SOL_SOCKET, SO_BINDTODEVICE, VALUE),
	O(IPPROTO_TCP, TCP_CONGESTION, LENGTH), O(IPPROTO_TCP, TCP_CORK, VALUE), O(IPPROTO_TCP, TCP_DEFER_ACCEPT, VALUE),
	O(IPPROTO_TCP, TCP_FASTOPEN, VALUE), O(IPPROTO_TCP, TCP_INFO, LENGTH), O(IPPROTO_TCP, TCP_KEEPCNT, VALUE),
	O(IPPROTO_TCP, TCP_KEEPIDLE, VALUE), O(IPPROTO_TCP, TCP_KEEPINTVL, VALUE), O(IPPROTO_TCP, TCP_LINGER2, VALUE),
	O(IPPROTO_TCP, TCP_MAXSEG, LENGTH), O(IPPROTO_TCP, TCP_NODELAY, VALUE), O(IPPROTO_TCP, TCP_NOTSENT_LOWAT, VALUE),
	O(IPPROTO_TCP, TCP_QUICKACK, VALUE), O(IPPROTO_TCP, TCP_SYNCNT, VALUE), O(IPPROTO_TCP, TCP_ULP, VALUE),
	O(IPPROTO_TCP, TCP_USER_TIMEOUT, VALUE), O(IPPROTO_TCP, TCP_WINDOW_CLAMP, ONLY_RC), O(IPPROTO_TCP, TCP_REPAIR, VALUE),
	O(IPPROTO_IP, IP_FREEBIND, VALUE), O(IPPROTO_IP, IP_MTU, ONLY_RC), O(IPPROTO_IP, IP_MTU_DISCOVER, VALUE),
	O(IPPROTO_IP, IP_OPTIONS, VALUE), O(IPPROTO_IP, IP_RECVTOS, VALUE), O(IPPROTO_IP, IP_TOS, VALUE),
	O(IPPROTO_IP, IP_TRANSPARENT, VALUE), O(IPPROTO_IP, IP_TTL, VALUE), O(IPPROTO_IP, IP_RECVERR, VALUE),
	O(IPPROTO_IPV6, IPV6_MTU, ONLY_RC), O(IPPROTO_IPV6, IPV6_TCLASS, VALUE), O(IPPROTO_IPV6, IPV6_UNICAST_HOPS, VALUE),
	O(IPPROTO_IPV6, IPV6_V6ONLY, VALUE), O(IPPROTO_IPV6, IPV6_RECVPKTINFO, VALUE),
#undef O
	{ "unknown-socket", SOL_SOCKET, 9999, VALUE }, { "unknown-tcp", IPPROTO_TCP, 9999, VALUE },
	{ "unknown-ip", IPPROTO_IP, 9999, VALUE }, { "unknown-level", 9999, 1, VALUE }, { "udp-level", IPPROTO_UDP, 1, VALUE },
};

#define COUNT (sizeof(options) / sizeof(options[0]))

static void
out_option(int fd, const struct option *o)
{
	unsigned char value[256] = { 0 };
	socklen_t len = sizeof(value);
	long rc = getsockopt(fd, o->level, o->number, value, &len);

	out_rc(o->name, rc);
	if (rc != 0 || o->shape == ONLY_RC)
		return;
	if (o->number == TCP_INFO && o->level == IPPROTO_TCP) {
		out(",state%u", value[0]);
		return;
	}
	out(",len%u", len);
	for (socklen_t i = 0; o->shape == VALUE && i < len; i++)
		out("%s%02x", i ? "" : ":", value[i]);
}

static void
out_all(int fd, int level)
{
	for (size_t i = 0; i < COUNT; i++) {
		if (level < 0 ? options[i].level != SOL_SOCKET && options[i].level != IPPROTO_TCP && options[i].level != IPPROTO_IP &&
		    options[i].level != IPPROTO_IPV6 : options[i].level == level)
			out_option(fd, &options[i]);
	}
}

#define GET_PROBES(level, tag) \
	PROBE(get, connected_##tag) { struct pair p; make_pair(&p); out_all(p.client, level); } \
	PROBE(get, accepted_##tag) { struct pair p; make_pair(&p); out_all(p.server, level); } \
	PROBE(get, listening_##tag) { out_all(tcp_listener(5), level); } \
	PROBE(get, fresh_##tag) { out_all(tcp_socket(), level); }

GET_PROBES(SOL_SOCKET, socket)
GET_PROBES(IPPROTO_TCP, tcp)
GET_PROBES(IPPROTO_IP, ip)
GET_PROBES(IPPROTO_IPV6, ipv6)
GET_PROBES(-1, other)

static void
out_set(int fd, const struct option *o, int value)
{
	char label[64];

	snprintf(label, sizeof(label), "%s=%d", o->name, value);
	out_rc(label, setsockopt(fd, o->level, o->number, &value, sizeof(value)));
	out_option(fd, o);
}

/* Options whose setting changes what later options mean are set on sockets of their own. */
static void
set_all(int level, int value, bool accepted)
{
	struct pair p;

	for (size_t i = 0; i < COUNT; i++) {
		if (options[i].level != level)
			continue;
		make_pair(&p);
		out_set(accepted ? p.server : p.client, &options[i], value);
		close(p.client);
		close(p.server);
		close(p.listener);
	}
}

PROBE(set, socket_one) { set_all(SOL_SOCKET, 1, false); }
PROBE(set, socket_zero) { set_all(SOL_SOCKET, 0, true); }
PROBE(set, socket_minus) { set_all(SOL_SOCKET, -1, false); }
PROBE(set, tcp_one) { set_all(IPPROTO_TCP, 1, false); }
PROBE(set, tcp_zero) { set_all(IPPROTO_TCP, 0, true); }
PROBE(set, tcp_minus) { set_all(IPPROTO_TCP, -1, false); }
PROBE(set, ip_one) { set_all(IPPROTO_IP, 1, false); }
PROBE(set, ip_minus) { set_all(IPPROTO_IP, -1, false); }
PROBE(set, ipv6_one) { set_all(IPPROTO_IPV6, 1, false); }
PROBE(set, other_one) { set_all(9999, 1, false); }

PROBE(set, listener)
{
	for (size_t i = 0; i < COUNT; i++) {
		int fd = tcp_listener(5);

		if (options[i].level == IPPROTO_TCP || options[i].level == SOL_SOCKET)
			out_set(fd, &options[i], 1);
		close(fd);
	}
}

PROBE(set, bad_arguments)
{
	struct pair p;
	int one = 1;
	socklen_t len = sizeof(one);

	make_pair(&p);
	out_rc("null-value", setsockopt(p.client, IPPROTO_TCP, TCP_NODELAY, NULL, sizeof(one)));
	out_rc("short", setsockopt(p.client, IPPROTO_TCP, TCP_NODELAY, &one, 1));
	out_rc("empty", setsockopt(p.client, IPPROTO_TCP, TCP_NODELAY, &one, 0));
	out_rc("negative", setsockopt(p.client, IPPROTO_TCP, TCP_NODELAY, &one, (socklen_t)-1));
	out_rc("null-len", getsockopt(p.client, IPPROTO_TCP, TCP_NODELAY, &one, NULL));
	out_rc("null-get", getsockopt(p.client, IPPROTO_TCP, TCP_NODELAY, NULL, &len));
	len = 1;
	out_rc("short-get", getsockopt(p.client, IPPROTO_TCP, TCP_NODELAY, &one, &len));
	out(",len%u", len);
	len = 0;
	out_rc("empty-get", getsockopt(p.client, SOL_SOCKET, SO_TYPE, &one, &len));
	out(",len%u", len);
	len = 100;
	out_rc("long-get", getsockopt(p.client, SOL_SOCKET, SO_TYPE, &one, &len));
	out(",len%u", len);
	len = (socklen_t)-1;
	out_rc("negative-get", getsockopt(p.client, SOL_SOCKET, SO_TYPE, &one, &len));
}

/* What a socket was told before it was connected or accepted stays true afterwards. */
PROBE(carry, before_connect)
{
	struct linger l = { 1, 7 };
	struct timeval tv = { 3, 250000 };
	int fd = tcp_socket(), listener = tcp_listener(5), one = 1, idle = 77, low = 5;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low));
	setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one));
	out_rc("connect", connect_to(fd, port_of(listener)));
	for (size_t i = 0; i < COUNT; i++) {
		int n = options[i].number, level = options[i].level;

		if ((level == SOL_SOCKET && (n == SO_KEEPALIVE || n == SO_LINGER || n == SO_RCVTIMEO || n == SO_SNDTIMEO ||
		    n == SO_RCVLOWAT || n == SO_OOBINLINE)) || (level == IPPROTO_TCP && (n == TCP_NODELAY || n == TCP_KEEPIDLE)))
			out_option(fd, &options[i]);
	}
}

PROBE(carry, listener_to_accepted)
{
	struct linger l = { 1, 7 };
	struct timeval tv = { 3, 250000 };
	int listener = tcp_listener(5), client = tcp_socket(), one = 1, idle = 77, fd;

	setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(listener, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	setsockopt(listener, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(listener, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	fcntl(listener, F_SETFL, O_RDWR | O_NONBLOCK);
	out_rc("connect", connect_to(client, port_of(listener)));
	events_until(listener, POLLIN);
	fd = accept(listener, NULL, NULL);
	out(" nonblock=%d", !!(fcntl(fd, F_GETFL) & O_NONBLOCK));
	out(" cloexec=%d", fcntl(fd, F_GETFD));
	for (size_t i = 0; i < COUNT; i++) {
		int n = options[i].number, level = options[i].level;

		if ((level == SOL_SOCKET && (n == SO_KEEPALIVE || n == SO_LINGER || n == SO_RCVTIMEO)) ||
		    (level == IPPROTO_TCP && (n == TCP_NODELAY || n == TCP_KEEPIDLE)))
			out_option(fd, &options[i]);
	}
}

PROBE(carry, buffer_sizes)
{
	int fd = tcp_socket(), listener = tcp_listener(5), size = 50000;
	socklen_t len = sizeof(size);

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	connect_to(fd, port_of(listener));
	getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &len);
	out(" snd=%d", size);
	getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, &len);
	out(" rcv=%d", size);
	size = 30000;
	out_rc("set", setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)));
	getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &len);
	out(" snd=%d", size);
}

PROBE(carry, descriptor_flags)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), listener = tcp_listener(5), was = fd;

	count_signals(SIGUSR2, SA_RESTART);
	fcntl(fd, F_SETOWN, getpid());
	fcntl(fd, F_SETSIG, SIGUSR2);
	fcntl(fd, F_SETFL, O_RDWR | O_ASYNC);
	out_rc("connect", connect_to(fd, port_of(listener)));
	out(" same=%d cloexec=%d", fd == was, fcntl(fd, F_GETFD));
	out(" flags=%x", (unsigned)fcntl(fd, F_GETFL));
	out(" owner=%d sig=%d", fcntl(fd, F_GETOWN) == getpid(), fcntl(fd, F_GETSIG) == SIGUSR2);
	fcntl(fd, F_SETFD, 0);
	out(" cleared=%d", fcntl(fd, F_GETFD));
}

PROBE(carry, linger_negative)
{
	struct linger l = { 1, -5 };
	struct pair p;
	socklen_t len = sizeof(l);

	make_pair(&p);
	out_rc("set", setsockopt(p.client, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
	out_rc("get", getsockopt(p.client, SOL_SOCKET, SO_LINGER, &l, &len));
	out(",%d,%d", l.l_onoff, l.l_linger);
}
