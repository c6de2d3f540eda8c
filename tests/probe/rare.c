/* What tcp(7), ip(7), ipv6(7) and socket(7) say, and few programs ask for. */
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "probe.h"

#ifndef TCP_INQ
#define TCP_INQ 36
#endif

static void
out_name(const char *what, int fd)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	static const struct in6_addr none;

	out_rc(what, getsockname(fd, (struct sockaddr *)&ss, &len));
	out(":%u,%d,%d", len, port_of(fd) != 0, family == AF_INET ? ((struct sockaddr_in *)&ss)->sin_addr.s_addr != 0 :
	    memcmp(&((struct sockaddr_in6 *)&ss)->sin6_addr, &none, sizeof(none)) != 0);
}

PROBE(connect, bound_not_listening)
{
	struct sockaddr_storage ss;
	int bound = tcp_socket(), fd = tcp_socket();
	socklen_t len = loopback(&ss, 0);

	bind(bound, (struct sockaddr *)&ss, len);
	out_rc("connect", connect_to(fd, port_of(bound)));
	out_rc("listen", listen(bound, 1));
	out_rc("again", connect_to(fd, port_of(bound)));
}

/* Neither side listens: on one host the first SYN meets a socket that has not sent one, and is refused. */
PROBE(connect, simultaneous)
{
	struct sockaddr_storage ss;
	int a = tcp_socket(), b = tcp_socket(), error = -1;
	socklen_t len = loopback(&ss, 0);

	bind(a, (struct sockaddr *)&ss, len);
	loopback(&ss, 0);
	bind(b, (struct sockaddr *)&ss, len);
	set_nonblock(a);
	set_nonblock(b);
	connect_to(a, port_of(b));
	events_until(a, POLLHUP);
	len = sizeof(error);
	getsockopt(a, SOL_SOCKET, SO_ERROR, &error, &len);
	out(" a=%s", strerrorname_np(error));
	connect_to(b, port_of(a));
	events_until(b, POLLHUP);
	getsockopt(b, SOL_SOCKET, SO_ERROR, &error, &len);
	out(" b=%s", strerrorname_np(error));
}

PROBE(connect, names_after_refusal)
{
	struct sockaddr_storage ss;
	int gone = tcp_listener(1), fd = tcp_socket(), bound = tcp_socket();
	uint16_t port = port_of(gone), mine;
	socklen_t len = loopback(&ss, 0);

	close(gone);
	out_name("fresh", fd);
	out_rc("connect", connect_to(fd, port));
	out_name("refused", fd);
	out_rc("peer", getpeername(fd, (struct sockaddr *)&ss, &len));
	len = loopback(&ss, 0);
	bind(bound, (struct sockaddr *)&ss, len);
	mine = port_of(bound);
	out_rc("connect", connect_to(bound, port));
	out_name("bound", bound);
	out(" same=%d", port_of(bound) == mine);
}

PROBE(connect, same_pair_of_addresses)
{
	struct sockaddr_storage ss;
	int listener = tcp_listener(5), a = tcp_socket(), b = tcp_socket(), one = 1;
	socklen_t len = loopback(&ss, 0);

	setsockopt(a, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(b, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	out_rc("bind", bind(a, (struct sockaddr *)&ss, len));
	loopback(&ss, port_of(a));
	out_rc("bind", bind(b, (struct sockaddr *)&ss, len));
	out_rc("first", connect_to(a, port_of(listener)));
	out_rc("second", connect_to(b, port_of(listener)));
	out_rc("elsewhere", connect_to(b, port_of(tcp_listener(5))));
}

PROBE(connect, bad_pointers)
{
	struct sockaddr_storage ss;
	int listener = tcp_listener(5), fd = tcp_socket();
	socklen_t len = loopback(&ss, port_of(listener));
	struct pair p;

	out_rc("null", connect(fd, NULL, len));
	out_rc("long", connect(fd, (struct sockaddr *)&ss, 1000));
	out_rc("minus", connect(fd, (struct sockaddr *)&ss, (socklen_t)-1));
	out_rc("good", connect(fd, (struct sockaddr *)&ss, len));
	make_pair(&p);
	len = sizeof(ss);
	out_rc("name", getsockname(p.client, NULL, &len));
	out_rc("no-length", getsockname(p.client, (struct sockaddr *)&ss, NULL));
	len = (socklen_t)-1;
	out_rc("length", getpeername(p.client, (struct sockaddr *)&ss, &len));
	len = 0;
	out_rc("empty", getpeername(p.client, NULL, &len));
	out(":%u", len);
}

PROBE(listen, again_with_another_backlog)
{
	int fd = tcp_listener(1), client = tcp_socket();

	out_rc("more", listen(fd, 10));
	out_rc("minus", listen(fd, -1));
	out_rc("none", listen(fd, 0));
	out_rc("connect", connect_to(client, port_of(fd)));
	out_rc("waiting", listen(fd, 5));
	out_events("poll", events_until(fd, POLLIN));
	out_rc("accept", accept(fd, NULL, NULL) >= 0 ? 0 : -1);
}

PROBE(listen, on_other_states)
{
	struct pair p;
	int gone = tcp_listener(1), fd = tcp_socket();
	uint16_t port = port_of(gone);

	close(gone);
	make_pair(&p);
	out_rc("connected", listen(p.client, 1));
	out_rc("accepted", listen(p.server, 1));
	shutdown(p.client, SHUT_WR);
	events_until(p.server, POLLRDHUP);
	out_rc("half-closed", listen(p.server, 1));
	connect_to(fd, port);
	out_rc("refused", listen(fd, 1));
	out_name("name", fd);
	out_rc("connect", connect_to(tcp_socket(), port_of(fd)));
}

PROBE(listen, shut_and_again)
{
	struct sockaddr_storage ss;
	int gone = tcp_listener(5), fd = tcp_socket(), client = tcp_socket(), same, one = 1;
	uint16_t port = port_of(gone);
	socklen_t len = loopback(&ss, port);

	/* A port that the program chose stays its own. */
	close(gone);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	bind(fd, (struct sockaddr *)&ss, len);
	out_rc("listen", listen(fd, 5));

	out_rc("writing", shutdown(fd, SHUT_WR));
	out_rc("connect", connect_to(client, port));
	out_rc("accept", accept(fd, NULL, NULL) >= 0 ? 0 : -1);
	out_rc("reading", shutdown(fd, SHUT_RD));
	out_events("poll", events_later(fd));
	out_rc("accept", accept(fd, NULL, NULL));
	out_rc("connect", connect_to(tcp_socket(), port));
	out_rc("twice", shutdown(fd, SHUT_RDWR));
	out_rc("listen", listen(fd, 5));
	same = port_of(fd) == port;
	out(" same=%d", same);
	out_rc("connect", connect_to(tcp_socket(), port_of(fd)));
	out_rc("accept", accept(fd, NULL, NULL) >= 0 ? 0 : -1);
}

static void
wrong_calls(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	char c = 'x';
	int n = -7;

	out_rc("recv", recv(fd, &c, 1, MSG_DONTWAIT));
	out_rc("nothing", recv(fd, &c, 0, MSG_DONTWAIT));
	out_rc("peek", recv(fd, &c, 1, MSG_PEEK));
	out_rc("send", send(fd, &c, 1, MSG_NOSIGNAL));
	out_rc("peer", getpeername(fd, (struct sockaddr *)&ss, &len));
	out_rc("inq", ioctl(fd, FIONREAD, &n));
	out_rc("outq", ioctl(fd, SIOCOUTQ, &n));
	out_rc("nsd", ioctl(fd, SIOCOUTQNSD, &n));
	out_rc("mark", sockatmark(fd));
	out_rc("errors", recv(fd, &c, 1, MSG_ERRQUEUE));
	out_rc("accept", accept4(fd, NULL, NULL, SOCK_NONBLOCK));
}

PROBE(wrong, listener)
{
	int fd = tcp_listener(5);

	count_signals(SIGPIPE, 0);
	set_nonblock(fd);
	wrong_calls(fd);
	out(" signals=%d", (int)signals_seen);
}

PROBE(wrong, listener_read_and_write)
{
	int fd = tcp_listener(5);

	count_signals(SIGPIPE, 0);
	set_nonblock(fd);
	out_rc("read", read(fd, &(char){ 0 }, 1));
	out_rc("write", write(fd, "x", 1));
	out(" signals=%d", (int)signals_seen);
}

PROBE(wrong, fresh)
{
	count_signals(SIGPIPE, 0);
	wrong_calls(tcp_socket());
	out(" signals=%d", (int)signals_seen);
}

PROBE(wrong, after_reset)
{
	struct linger l = { 1, 0 };
	struct pair p;

	make_pair(&p);
	count_signals(SIGPIPE, 0);
	setsockopt(p.server, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(p.server);
	events_until(p.client, POLLERR);
	wrong_calls(p.client);
	out_name("name", p.client);
	out_rc("shutdown", shutdown(p.client, SHUT_RDWR));
	out_rc("listen", listen(p.client, 1));
	out(" signals=%d", (int)signals_seen);
}

static void
out_all_bits(const char *what, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLPRI | POLLOUT | POLLRDNORM | POLLRDBAND | POLLWRNORM | POLLWRBAND | POLLMSG |
		POLLRDHUP };

	poll(&p, 1, 0);
	out(" %s=%x", what, (unsigned)p.revents);
}

PROBE(poll, all_bits)
{
	struct pair p;
	int client = tcp_socket();

	out_all_bits("fresh", client);
	make_pair(&p);
	out_all_bits("idle", p.server);
	out_all_bits("listener", p.listener);
	connect_to(client, port_of(p.listener));
	events_until(p.listener, POLLIN);
	out_all_bits("pending", p.listener);
	write_pattern(p.client, 10);
	events_until(p.server, POLLIN);
	out_all_bits("data", p.server);
	shutdown(p.client, SHUT_WR);
	events_until(p.server, POLLRDHUP);
	out_all_bits("end", p.server);
	shutdown(p.server, SHUT_WR);
	events_until(p.server, POLLHUP);
	out_all_bits("both", p.server);
}

PROBE(poll, exceptional)
{
	struct linger l = { 1, 0 };
	struct timeval tv = { 0, 0 };
	struct pair p;
	fd_set r, w, x;

	make_pair(&p);
	for (int i = 0; i < 2; i++) {
		FD_ZERO(&r);
		FD_SET(p.client, &r);
		w = x = r;
		out_rc("select", select(p.client + 1, &r, &w, &x, &tv));
		out(":%d%d%d", !!FD_ISSET(p.client, &r), !!FD_ISSET(p.client, &w), !!FD_ISSET(p.client, &x));
		setsockopt(p.server, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
		close(p.server);
		events_until(p.client, POLLERR);
	}
}

PROBE(epoll, nested)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = 7 }, got = { 0 };
	int inner = epoll_create1(0), outer = epoll_create1(0), listener = tcp_listener(5), fd = tcp_socket(), server;
	struct pollfd p = { .fd = outer, .events = POLLIN };

	epoll_ctl(outer, EPOLL_CTL_ADD, inner, &e);
	e.data.u32 = 8;
	epoll_ctl(inner, EPOLL_CTL_ADD, fd, &e);
	out_rc("connect", connect_to(fd, port_of(listener)));
	server = accept(listener, NULL, NULL);
	out_rc("quiet", poll(&p, 1, 50));
	send(server, "x", 1, 0);
	out_rc("poll", poll(&p, 1, 2000));
	out_rc("outer", epoll_wait(outer, &got, 1, 0));
	out(":%u", got.data.u32);
	out_rc("inner", epoll_wait(inner, &got, 1, 0));
	out(":%u,%x", got.data.u32, got.events);
	close(fd);
	out_rc("closed", epoll_wait(inner, &got, 1, 0));
}

PROBE(epoll, duplicate_stays)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = 1 }, got = { 0 };
	int ep = epoll_create1(0), copy;
	struct pair p;

	make_pair(&p);
	copy = dup(p.server);
	epoll_ctl(ep, EPOLL_CTL_ADD, p.server, &e);
	close(p.server);
	send(p.client, "x", 1, 0);
	out_rc("wait", epoll_wait(ep, &got, 1, 2000));
	out(":%u", got.data.u32);
	e.data.u32 = 2;
	out_rc("copy", epoll_ctl(ep, EPOLL_CTL_ADD, copy, &e));
	out_rc("gone", epoll_ctl(ep, EPOLL_CTL_MOD, p.server, &e));
	out_rc("recv", recv(copy, (char[1]){ 0 }, 1, MSG_DONTWAIT));
}

static void
out_text(int fd, const char *set)
{
	char got[32] = "";
	socklen_t len = sizeof(got);

	out_rc(set, setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, set, (socklen_t)strlen(set)));
	out_rc("get", getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, got, &len));
	out(":%s,%u", got, len);
}

PROBE(option, congestion)
{
	int listener = tcp_listener(5), fd = tcp_socket(), server;

	out_text(fd, "reno");
	out_text(fd, "nosuch");
	out_text(listener, "reno");
	connect_to(fd, port_of(listener));
	server = accept(listener, NULL, NULL);
	out_text(server, "reno");
	out_text(fd, "reno-with-a-name-that-is-too-long");
}

static void
out_number(const char *name, int fd, int level, int option, int value)
{
	int got = -77;
	socklen_t len = sizeof(got);

	out(" %s", name);
	out_rc("set", setsockopt(fd, level, option, &value, sizeof(value)));
	out_rc("get", getsockopt(fd, level, option, &got, &len));
	out(":%d", got);
}

PROBE(option, ranges)
{
	static const struct { const char *name; int option, values[4]; } some[] = {
		{ "idle", TCP_KEEPIDLE, { 0, 32767, 32768, -1 } }, { "interval", TCP_KEEPINTVL, { 0, 32767, 32768, 5 } },
		{ "count", TCP_KEEPCNT, { 0, 127, 128, 3 } }, { "syn", TCP_SYNCNT, { 0, 127, 128, 3 } },
		{ "linger2", TCP_LINGER2, { -1, 0, 30, 1000000 } }, { "lowat", TCP_NOTSENT_LOWAT, { 0, 1, -1, 65536 } },
		{ "quick", TCP_QUICKACK, { 0, 1, 2, 3 } }, { "nodelay", TCP_NODELAY, { 0, 7, -1, 256 } },
		{ "cork", TCP_CORK, { 0, 7, 0, 256 } }, { "defer", TCP_DEFER_ACCEPT, { 0, 1, 10, 100 } },
		{ "clamp", TCP_WINDOW_CLAMP, { 1, 100000, 1, 5000 } },
	};
	struct pair p;

	make_pair(&p);
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++)
		for (size_t j = 0; j < 4; j++)
			out_number(some[i].name, p.client, IPPROTO_TCP, some[i].option, some[i].values[j]);
}

PROBE(option, maxseg)
{
	int fd = tcp_socket(), listener = tcp_listener(5), got = 0;
	socklen_t len = sizeof(got);

	out_number("small", fd, IPPROTO_TCP, TCP_MAXSEG, 10);
	out_number("large", fd, IPPROTO_TCP, TCP_MAXSEG, 40000);
	out_number("good", fd, IPPROTO_TCP, TCP_MAXSEG, 1000);
	out_rc("connect", connect_to(fd, port_of(listener)));
	out_rc("get", getsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &got, &len));
	out(" less=%d", got > 0 && got <= 1000);
	out_rc("later", setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &(int){ 900 }, sizeof(int)));
}

PROBE(option, hops)
{
	int level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6, option = family == AF_INET ? IP_TTL : IPV6_UNICAST_HOPS;
	static const int values[] = { 0, 1, 255, 256, -1, -2 };
	struct pair p;

	make_pair(&p);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		out_number("hops", p.client, level, option, values[i]);
	out_number("errors", p.client, level, family == AF_INET ? IP_RECVERR : IPV6_RECVERR, 1);
	out_number("errors", p.client, level, family == AF_INET ? IP_RECVERR : IPV6_RECVERR, 0);
	out_rc("queue", recv(p.client, &(char){ 0 }, 1, MSG_ERRQUEUE));
	out_events("poll", events_now(p.client));
}

PROBE(option, strange_times)
{
	struct timeval times[] = { { 0, 1000000 }, { -1, 0 }, { 0, -1 }, { 1, 999999 }, { 0, 0 } };
	struct pair p;

	make_pair(&p);
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		struct timeval got = { 77, 77 };
		socklen_t len = sizeof(got);

		out_rc("set", setsockopt(p.client, SOL_SOCKET, SO_RCVTIMEO, &times[i], sizeof(times[i])));
		getsockopt(p.client, SOL_SOCKET, SO_RCVTIMEO, &got, &len);
		out(":%ld.%06ld", (long)got.tv_sec, (long)got.tv_usec);
	}
	out_rc("short", setsockopt(p.client, SOL_SOCKET, SO_SNDTIMEO, &times[3], 4));
}

/* Levels and numbers that a table has in one place, so that these few lines ask for many. */
static void
out_numbers(int level, const int *numbers, size_t n)
{
	struct pair p;

	make_pair(&p);
	for (size_t i = 0; i < n; i++) {
		unsigned char value[512] = { 0 };
		socklen_t len = sizeof(value);
		char name[16];

		snprintf(name, sizeof(name), "%d", numbers[i]);
		out_rc(name, getsockopt(p.client, level, numbers[i], value, &len));
		out(",%u", len);
		out_rc("set", setsockopt(p.client, level, numbers[i], &(int){ 1 }, sizeof(int)));
	}
}

/* SO_ATTACH_FILTER, _DETACH_FILTER, PEERNAME, RXQ_OVFL, WIFI_STATUS, NOFCS, LOCK_FILTER, SELECT_ERR_QUEUE, MEMINFO, INCOMING_NAPI_ID,
 * PEERGROUPS, TXTIME, PREFER_BUSY_POLL, NETNS_COOKIE, BUF_LOCK, RESERVE_MEM, TXREHASH */
PROBE(option, rarer_socket)
{
	static const int numbers[] = { 27, 28, 40, 41, 43, 44, 45, 55, 56, 59, 61, 69, 71, 72, 73, 74 };

	out_numbers(SOL_SOCKET, numbers, sizeof(numbers) / sizeof(numbers[0]));
}

/* TCP_MD5SIG, THIN_LINEAR_TIMEOUTS, THIN_DUPACK, REPAIR_QUEUE, QUEUE_SEQ, REPAIR_OPTIONS, TIMESTAMP, CC_INFO, SAVE_SYN, SAVED_SYN,
 * FASTOPEN_KEY, FASTOPEN_NO_COOKIE, INQ, TX_DELAY */
PROBE(option, rarer_tcp)
{
	static const int numbers[] = { 14, 16, 17, 20, 21, 22, 24, 26, 27, 28, 33, 34, 36, 37 };

	out_numbers(IPPROTO_TCP, numbers, sizeof(numbers) / sizeof(numbers[0]));
}

/* IP_HDRINCL, ROUTER_ALERT, PKTINFO, RECVTTL, MINTTL, NODEFRAG, CHECKSUM, BIND_ADDRESS_NO_PORT, UNICAST_IF, MULTICAST_TTL, _LOOP,
 * LOCAL_PORT_RANGE, PROTOCOL */
PROBE(option, rarer_ip)
{
	static const int numbers[] = { 3, 5, 8, 12, 21, 22, 23, 24, 50, 33, 34, 51, 52 };

	out_numbers(IPPROTO_IP, numbers, sizeof(numbers) / sizeof(numbers[0]));
}

/* IPV6_CHECKSUM, MULTICAST_HOPS, MULTICAST_LOOP, MTU_DISCOVER, RECVHOPLIMIT, RECVTCLASS, DONTFRAG, AUTOFLOWLABEL, MINHOPCOUNT,
 * TRANSPARENT, FREEBIND, UNICAST_IF */
PROBE(option, rarer_ipv6)
{
	static const int numbers[] = { 7, 18, 19, 23, 51, 66, 62, 70, 73, 75, 78, 76 };

	out_numbers(IPPROTO_IPV6, numbers, sizeof(numbers) / sizeof(numbers[0]));
}

PROBE(message, bytes_left)
{
	union { char buf[256]; struct cmsghdr align; } control;
	char buf[10];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	struct pair p;
	struct cmsghdr *c;
	int one = 1, left = -1;

	make_pair(&p);
	out_rc("set", setsockopt(p.server, IPPROTO_TCP, TCP_INQ, &one, sizeof(one)));
	write_pattern(p.client, 30);
	settle();
	out_rc("recv", recvmsg(p.server, &m, 0));
	c = CMSG_FIRSTHDR(&m);
	if (c != NULL)
		memcpy(&left, CMSG_DATA(c), sizeof(left));
	out(" control=%zu level=%d type=%d left=%d flags=%x", m.msg_controllen, c ? c->cmsg_level : -1, c ? c->cmsg_type : -1, left, m.msg_flags);
}

PROBE(message, no_packet_information)
{
	union { char buf[256]; struct cmsghdr align; } control;
	struct iovec iov = { (char[10]){ 0 }, 10 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	struct pair p;
	int one = 1;

	make_pair(&p);
	if (family == AF_INET) {
		setsockopt(p.server, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one));
		setsockopt(p.server, IPPROTO_IP, IP_RECVTTL, &one, sizeof(one));
	} else {
		setsockopt(p.server, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one));
		setsockopt(p.server, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &one, sizeof(one));
	}
	write_pattern(p.client, 10);
	out_rc("recv", recvmsg(p.server, &m, 0));
	out(" control=%zu", m.msg_controllen);
}

/* Who closes first keeps the port for a while. */
PROBE(listen, port_of_finished_connection)
{
	struct sockaddr_storage ss;
	struct pair p;
	uint16_t port;
	int fd = tcp_socket();
	socklen_t len;

	make_pair(&p);
	port = port_of(p.listener);
	close(p.server);
	events_until(p.client, POLLRDHUP);
	close(p.client);
	close(p.listener);
	settle();
	len = loopback(&ss, port);
	out_rc("bind", bind(fd, (struct sockaddr *)&ss, len));
}

PROBE(socket, kinds)
{
	int two[2];

	out_rc("udp", socket(family, SOCK_STREAM, IPPROTO_UDP));
	out_rc("pair", socketpair(family, SOCK_STREAM, 0, two));
	out_rc("packet", socket(family, SOCK_SEQPACKET, 0));
	out_rc("flags", socket(family, SOCK_STREAM | 0x10000, 0));
	out_rc("named", socket(family, SOCK_STREAM, IPPROTO_TCP) >= 0 ? 0 : -1);
	out_rc("family", socket(99, SOCK_STREAM, 0));
}
