/* Connecting: blocking, pending, refused, repeated, undone. */
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <pthread.h>

#include "probe.h"

/* A port where nobody listens. */
static uint16_t
dead_port(void)
{
	struct sockaddr_storage ss;
	int fd = tcp_socket();
	uint16_t port;

	bind(fd, (struct sockaddr *)&ss, loopback(&ss, 0));
	port = port_of(fd);
	close(fd);
	return port;
}

static int
so_error(int fd)
{
	int e = -1;
	socklen_t len = sizeof(e);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len);
	return e;
}

static void
out_error(const char *label, int fd)
{
	int e = so_error(fd);

	out(" %s=%s", label, e ? strerrorname_np(e) : "0");
}

PROBE(connect, blocking)
{
	int listener = tcp_listener(5), fd = tcp_socket();

	errno = 0;
	out_rc("connect", connect_to(fd, port_of(listener)));
	out(" errno=%d", errno);
	out_events("poll", events_now(fd));
	out_error("error", fd);
	out_rc("again", connect_to(fd, port_of(listener)));
	out_rc("third", connect_to(fd, port_of(listener)));
}

PROBE(connect, before_accept)
{
	int listener = tcp_listener(5), fd = tcp_socket();

	out_rc("connect", connect_to(fd, port_of(listener)));
	out_rc("write", write_pattern(fd, 1000));
	int server = accept(listener, NULL, NULL);

	out_rc("read", read_pattern(server, 1000));
}

PROBE(connect, refused)
{
	uint16_t port = dead_port();
	int fd = tcp_socket();

	out_rc("connect", connect_to(fd, port));
	out_error("error", fd);
	out_events("poll", events_now(fd));
	out_rc("again", connect_to(fd, port));
	out_rc("send", send(fd, "x", 1, MSG_NOSIGNAL));
	out_rc("recv", recv(fd, (char[1]){ 0 }, 1, 0));
	out_rc("shutdown", shutdown(fd, SHUT_RDWR));
}

PROBE(connect, refused_then_good)
{
	int listener = tcp_listener(5), fd = tcp_socket();

	out_rc("refused", connect_to(fd, dead_port()));
	out_rc("good", connect_to(fd, port_of(listener)));
	out_rc("write", write_pattern(fd, 10));
}

PROBE(connect, nonblocking)
{
	int listener = tcp_listener(5), fd = tcp_socket();

	set_nonblock(fd);
	out_rc("connect", connect_to(fd, port_of(listener)));
	out_events("poll", events_until(fd, POLLOUT));
	out_error("error", fd);
	out_rc("repeat", connect_to(fd, port_of(listener)));
	out_rc("third", connect_to(fd, port_of(listener)));
	out_rc("write", write_pattern(fd, 10));
}

PROBE(connect, nonblocking_select)
{
	int listener = tcp_listener(5), fd = tcp_socket();
	struct timeval tv = { 5, 0 };
	fd_set w;

	set_nonblock(fd);
	connect_to(fd, port_of(listener));
	FD_ZERO(&w);
	FD_SET(fd, &w);
	out_rc("select", select(fd + 1, NULL, &w, NULL, &tv));
	out(" set=%d", FD_ISSET(fd, &w) != 0);
	out_error("error", fd);
}

PROBE(connect, nonblocking_refused)
{
	uint16_t port = dead_port();
	int fd = tcp_socket();

	set_nonblock(fd);
	out_rc("connect", connect_to(fd, port));
	out_events("poll", events_until(fd, POLLERR | POLLHUP));
	out_error("error", fd);
	out_error("second", fd);
	out_events("poll2", events_now(fd));
}

PROBE(connect, nonblocking_refused_repeat)
{
	uint16_t port = dead_port();
	int fd = tcp_socket(), listener = tcp_listener(5);

	set_nonblock(fd);
	out_rc("connect", connect_to(fd, port));
	events_until(fd, POLLERR | POLLHUP);
	out_rc("repeat", connect_to(fd, port));
	out_rc("fresh", connect_to(fd, port_of(listener)));
	out_events("poll", events_until(fd, POLLOUT));
	out_error("error", fd);
}

PROBE(connect, nonblocking_refused_error_then_repeat)
{
	uint16_t port = dead_port();
	int fd = tcp_socket(), listener = tcp_listener(5);

	set_nonblock(fd);
	out_rc("connect", connect_to(fd, port));
	events_until(fd, POLLERR | POLLHUP);
	out_error("error", fd);
	out_rc("repeat", connect_to(fd, port_of(listener)));
	out_rc("third", connect_to(fd, port_of(listener)));
	out_events("poll", events_until(fd, POLLOUT));
}

PROBE(connect, nonblocking_refused_recv)
{
	int fd = tcp_socket();
	char c;

	set_nonblock(fd);
	out_rc("connect", connect_to(fd, dead_port()));
	events_until(fd, POLLERR | POLLHUP);
	out_rc("recv", recv(fd, &c, 1, 0));
	out_error("error", fd);
	out_rc("recv2", recv(fd, &c, 1, 0));
	out_rc("send", send(fd, &c, 1, MSG_NOSIGNAL));
}

PROBE(connect, nonblocking_refused_send)
{
	int fd = tcp_socket();
	char c = 0;

	set_nonblock(fd);
	out_rc("connect", connect_to(fd, dead_port()));
	events_until(fd, POLLERR | POLLHUP);
	out_rc("send", send(fd, &c, 1, MSG_NOSIGNAL));
	out_error("error", fd);
	out_rc("send2", send(fd, &c, 1, MSG_NOSIGNAL));
}

PROBE(connect, names)
{
	struct sockaddr_storage a, b;
	struct pair p;
	socklen_t al = sizeof(a), bl = sizeof(b);

	make_pair(&p);
	out_rc("peer", getpeername(p.client, (struct sockaddr *)&a, &al));
	out_rc("name", getsockname(p.server, (struct sockaddr *)&b, &bl));
	out(" family=%d len=%u same=%d", a.ss_family, al, al == bl && memcmp(&a, &b, al) == 0);
	al = bl = sizeof(a);
	out_rc("name", getsockname(p.client, (struct sockaddr *)&a, &al));
	out_rc("peer", getpeername(p.server, (struct sockaddr *)&b, &bl));
	out(" same=%d", al == bl && memcmp(&a, &b, al) == 0);
	al = sizeof(a);
	out_rc("listener", getsockname(p.listener, (struct sockaddr *)&a, &al));
	out(" port=%d", port_of(p.listener) == port_of(p.server));
	out_rc("listener-peer", getpeername(p.listener, (struct sockaddr *)&a, &al));
}

PROBE(connect, names_truncated)
{
	unsigned char buf[64];
	struct pair p;
	socklen_t len = 4;

	make_pair(&p);
	memset(buf, 0xee, sizeof(buf));
	out_rc("peer", getpeername(p.client, (struct sockaddr *)buf, &len));
	out(" len=%u byte4=%02x", len, buf[4]);
	len = 0;
	out_rc("zero", getsockname(p.client, (struct sockaddr *)buf, &len));
	out(" len=%u", len);
	len = (socklen_t)-1;
	out_rc("negative", getsockname(p.client, (struct sockaddr *)buf, &len));
	out_rc("null-len", getsockname(p.client, (struct sockaddr *)buf, NULL));
}

PROBE(connect, wrong_addresses)
{
	struct sockaddr_storage ss;
	int listener = tcp_listener(5), fd = tcp_socket();
	socklen_t len = loopback(&ss, port_of(listener));

	out_rc("short", connect(fd, (struct sockaddr *)&ss, 4));
	out_rc("one", connect(fd, (struct sockaddr *)&ss, 1));
	ss.ss_family = AF_UNIX;
	out_rc("unix", connect(fd, (struct sockaddr *)&ss, len));
	ss.ss_family = family == AF_INET ? AF_INET6 : AF_INET;
	out_rc("other", connect(fd, (struct sockaddr *)&ss, sizeof(struct sockaddr_in6)));
	out_rc("null", connect(fd, NULL, 0));
	out_rc("good", connect_to(fd, port_of(listener)));
	out_rc("null2", connect(fd, NULL, 0));
	out_rc("short2", connect(fd, (struct sockaddr *)&ss, 4));
}

PROBE(connect, any_means_loopback)
{
	struct sockaddr_storage ss, peer;
	int listener = tcp_listener(5), fd = tcp_socket();
	socklen_t len = loopback(&ss, port_of(listener)), plen = sizeof(peer);

	if (family == AF_INET)
		((struct sockaddr_in *)&ss)->sin_addr.s_addr = INADDR_ANY;
	else
		((struct sockaddr_in6 *)&ss)->sin6_addr = in6addr_any;
	out_rc("connect", connect(fd, (struct sockaddr *)&ss, len));
	loopback(&ss, port_of(listener));
	getpeername(fd, (struct sockaddr *)&peer, &plen);
	out(" peer=%d", memcmp(&ss, &peer, len) == 0);
}

PROBE(connect, bound_first)
{
	struct sockaddr_storage ss;
	int listener = tcp_listener(5), fd = tcp_socket();
	uint16_t port;

	out_rc("bind", bind(fd, (struct sockaddr *)&ss, loopback(&ss, 0)));
	port = port_of(fd);
	out_rc("connect", connect_to(fd, port_of(listener)));
	out(" kept=%d", port_of(fd) == port);
	out_rc("rebind", bind(fd, (struct sockaddr *)&ss, loopback(&ss, 0)));
	out_rc("listen", listen(fd, 5));
	out_rc("accept", accept(fd, NULL, NULL));
}

PROBE(connect, unspec_disconnects)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct pair p;
	char c;

	make_pair(&p);
	out_rc("unspec", connect(p.client, &none, sizeof(none)));
	out_events("poll", events_now(p.client));
	out_rc("peername", getpeername(p.client, &none, &(socklen_t){ sizeof(none) }));
	events_until(p.server, POLLIN | POLLHUP);
	out_rc("peer-recv", recv(p.server, &c, 1, 0));
	out_rc("reconnect", connect_to(p.client, port_of(p.listener)));
	out_rc("write", write_pattern(p.client, 10));
}

PROBE(connect, unspec_unconnected)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	int fd = tcp_socket();

	out_rc("unspec", connect(fd, &none, sizeof(none)));
	out_events("poll", events_now(fd));
}

PROBE(connect, on_listener)
{
	int a = tcp_listener(5), b = tcp_listener(5);

	out_rc("connect", connect_to(a, port_of(b)));
}

PROBE(connect, unconnected_calls)
{
	int fd = tcp_socket();
	char c = 0;

	out_events("poll", events_now(fd));
	out_rc("send", send(fd, &c, 1, MSG_NOSIGNAL));
	out_rc("recv", recv(fd, &c, 1, 0));
	out_rc("shutdown", shutdown(fd, SHUT_WR));
	out_rc("peername", getpeername(fd, (struct sockaddr *)&(struct sockaddr_storage){ 0 }, &(socklen_t){ 100 }));
	out_rc("accept", accept(fd, NULL, NULL));
}

PROBE(connect, epoll_before)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.u64 = 0x123456789a };
	int listener = tcp_listener(5), fd = tcp_socket(), ep = epoll_create1(0), n;

	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	epoll_wait(ep, &ev, 1, 0);
	set_nonblock(fd);
	out_rc("connect", connect_to(fd, port_of(listener)));
	events_until(fd, POLLOUT);
	n = epoll_wait(ep, &ev, 1, 2000);
	out(" n=%d events=%x data=%llx", n, ev.events, (unsigned long long)ev.data.u64);
	out_rc("add", epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	out_rc("wait", epoll_wait(ep, &ev, 1, 50));
	out_rc("del", epoll_ctl(ep, EPOLL_CTL_DEL, fd, &ev));
}

PROBE(connect, epoll_two_instances_before)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = 7 };
	int listener = tcp_listener(5), fd = tcp_socket(), a = epoll_create1(0), b = epoll_create1(0), server;

	epoll_ctl(a, EPOLL_CTL_ADD, fd, &ev);
	ev.data.u32 = 8;
	epoll_ctl(b, EPOLL_CTL_ADD, fd, &ev);
	ev.data.u32 = 9;
	epoll_ctl(b, EPOLL_CTL_MOD, fd, &ev);
	out_rc("connect", connect_to(fd, port_of(listener)));
	server = accept(listener, NULL, NULL);
	out_rc("write", write_pattern(server, 5));
	out_rc("a", epoll_wait(a, &ev, 1, 2000));
	out(",%x,%u", ev.events, ev.data.u32);
	out_rc("b", epoll_wait(b, &ev, 1, 2000));
	out(",%x,%u", ev.events, ev.data.u32);
	close(fd);
	out_rc("closed", epoll_wait(a, &ev, 1, 50));
}

PROBE(connect, epoll_deleted_before)
{
	struct epoll_event ev = { .events = EPOLLOUT };
	int listener = tcp_listener(5), fd = tcp_socket(), ep = epoll_create1(0);

	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	epoll_ctl(ep, EPOLL_CTL_DEL, fd, &ev);
	connect_to(fd, port_of(listener));
	out_rc("wait", epoll_wait(ep, &ev, 1, 50));
}

PROBE(connect, dup_before)
{
	int listener = tcp_listener(5), fd = tcp_socket(), copy = dup(fd), third = fcntl(copy, F_DUPFD, 100), server;

	out_rc("connect", connect_to(fd, port_of(listener)));
	server = accept(listener, NULL, NULL);
	out_rc("copy", write(copy, "ab", 2));
	out_rc("third", write(third, "c", 1));
	close(fd);
	close(copy);
	settle();
	out_rc("read", read(server, (char[8]){ 0 }, 8));
	out_events("open", events_now(server));
	close(third);
	out_events("closed", events_until(server, POLLIN | POLLRDHUP));
}

static void *
connect_later(void *arg)
{
	settle();
	out_rc("connect", connect_to(((int *)arg)[0], (uint16_t)((int *)arg)[1]));
	return NULL;
}

PROBE(connect, other_thread_waits)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = 3 };
	int listener = tcp_listener(5), fd = tcp_socket(), ep = epoll_create1(0);
	int arg[2] = { fd, port_of(listener) };
	pthread_t t;

	epoll_wait(ep, &ev, 1, 0);
	pthread_create(&t, NULL, connect_later, arg);
	pthread_join(t, NULL);
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	close(accept(listener, NULL, NULL));
	out_rc("wait", epoll_wait(ep, &ev, 1, 2000));
	out(",%x", ev.events);
}

PROBE(connect, fast_open)
{
	struct sockaddr_storage ss;
	int listener = tcp_listener(5), fd = tcp_socket(), server;
	socklen_t len = loopback(&ss, port_of(listener));

	out_rc("sendto", sendto(fd, "hello", 5, MSG_FASTOPEN, (struct sockaddr *)&ss, len));
	server = accept(listener, NULL, NULL);
	events_until(server, POLLIN);
	out_rc("read", read(server, (char[8]){ 0 }, 8));
}

PROBE(connect, descriptors_stay_lowest)
{
	struct pair p;
	int before = dup(0), after;

	close(before);
	make_pair(&p);
	out(" listener=%d client=%d server=%d", p.listener - before, p.client - before, p.server - before);
	after = dup(0);
	out(" next=%d", after - before);
}
