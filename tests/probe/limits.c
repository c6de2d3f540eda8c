/* No descriptor left, and accept queues that overflow. */
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/epoll.h>
#include <linux/sockios.h>

#include "probe.h"

/* From here on no descriptor can be opened. */
static void
use_up_descriptors(void)
{
	struct rlimit r;
	int spare = dup(0);

	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_cur = (rlim_t)spare;
	close(spare);
	setrlimit(RLIMIT_NOFILE, &r);
}

PROBE(full, socket)
{
	use_up_descriptors();
	out_rc("socket", socket(family, SOCK_STREAM, 0));
	out_rc("dup", dup(0));
}

PROBE(full, connect)
{
	int listener = tcp_listener(5), fd = tcp_socket();

	use_up_descriptors();
	out_rc("connect", connect_to(fd, port_of(listener)));
	out_rc("send", send(fd, "x", 1, MSG_NOSIGNAL));
	out_events("listener", events_until(listener, POLLIN));
	out_rc("accept", accept(listener, NULL, NULL));
}

PROBE(full, connect_pending)
{
	int listener = tcp_listener(5), fd = tcp_socket(), error = -1;
	socklen_t len = sizeof(error);

	use_up_descriptors();
	set_nonblock(fd);
	out_rc("connect", connect_to(fd, port_of(listener)));
	out_events("poll", events_until(fd, POLLOUT));
	out_rc("error", getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len));
	out(":%d", error);
}

PROBE(full, connect_refused)
{
	int listener = tcp_listener(5), fd = tcp_socket();
	uint16_t port = port_of(listener);

	close(listener);
	dup2(0, listener);
	use_up_descriptors();
	out_rc("connect", connect_to(fd, port));
}

PROBE(full, listen)
{
	struct sockaddr_storage ss;
	int fd = tcp_socket(), client = tcp_socket();

	out_rc("bind", bind(fd, (struct sockaddr *)&ss, loopback(&ss, 0)));
	use_up_descriptors();
	out_rc("listen", listen(fd, 5));
	out_rc("connect", connect_to(client, port_of(fd)));
}

PROBE(full, options)
{
	struct tcp_info ti = { 0 };
	struct pair p;
	int one = 1, n = -1;
	socklen_t len = sizeof(n);

	make_pair(&p);
	use_up_descriptors();
	out_rc("set", setsockopt(p.client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)));
	out_rc("get", getsockopt(p.client, IPPROTO_TCP, TCP_NODELAY, &n, &len));
	out(":%d", n);
	out_rc("error", getsockopt(p.client, SOL_SOCKET, SO_ERROR, &n, &len));
	len = sizeof(ti);
	out_rc("info", getsockopt(p.client, IPPROTO_TCP, TCP_INFO, &ti, &len));
	out(":%d", ti.tcpi_state);
	out_rc("outq", ioctl(p.client, SIOCOUTQ, &n));
	out_rc("shutdown", shutdown(p.client, SHUT_WR));
	out_events("poll", events_until(p.server, POLLRDHUP));
}

PROBE(full, reset)
{
	struct linger l = { 1, 0 };
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct pair p;

	make_pair(&p);
	setsockopt(p.client, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	use_up_descriptors();
	close(p.client);
	dup2(0, p.client);
	events_until(p.server, POLLHUP);
	out_rc("name", getpeername(p.server, (struct sockaddr *)&ss, &len));
	out_rc("shutdown", shutdown(p.server, SHUT_RDWR));
	out_rc("read", read(p.server, &ss, 1));
}

PROBE(full, accept_and_epoll)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int fd = tcp_listener(5), client = tcp_socket(), ep = epoll_create1(0);

	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	set_nonblock(fd);
	connect_to(client, port_of(fd));
	events_until(fd, POLLIN);
	use_up_descriptors();
	out_rc("accept", accept4(fd, NULL, NULL, SOCK_NONBLOCK));
	out_rc("still", epoll_wait(ep, &ev, 1, 0));
	close(client);
	client = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
	out(" accepted=%d", client >= 0);
	out_rc("none", accept4(fd, NULL, NULL, SOCK_NONBLOCK));
}

/* How many of n non-blocking connections to a listener with this backlog are established, before anybody accepts. */
static void
overflow(int backlog, int n)
{
	int fd = tcp_listener(backlog), clients[16], up = 0, accepted = 0;

	for (int i = 0; i < n; i++) {
		clients[i] = tcp_socket();
		set_nonblock(clients[i]);
		connect_to(clients[i], port_of(fd));
		settle();
	}
	for (int i = 0; i < n; i++)
		up += (events_now(clients[i]) & POLLOUT) != 0;
	out(" backlog=%d up=%d", backlog, up);
	set_nonblock(fd);
	while (accept(fd, NULL, NULL) >= 0)
		accepted++;
	out(" accepted=%d", accepted);
	/* The others come when they try again. */
	for (int i = 0; i < n; i++)
		out(" %d", (events_until(clients[i], POLLOUT) & POLLOUT) != 0);
}

PROBE(overflow, backlog_zero)
{
	overflow(0, 3);
}

PROBE(overflow, backlog_two)
{
	overflow(2, 5);
}

PROBE(overflow, grows)
{
	int fd = tcp_listener(1), clients[6], up = 0;

	for (int i = 0; i < 6; i++) {
		clients[i] = tcp_socket();
		set_nonblock(clients[i]);
		if (i == 3)
			out_rc("listen", listen(fd, 5));
		connect_to(clients[i], port_of(fd));
		settle();
	}
	/* The third tries again some time. */
	for (int i = 0; i < 6; i++)
		up += i != 2 && (events_now(clients[i]) & POLLOUT) != 0;
	out(" up=%d", up);
}

PROBE(overflow, closed_while_waiting)
{
	int fd = tcp_listener(8), clients[4], reset = 0;
	char c;

	for (int i = 0; i < 4; i++) {
		clients[i] = tcp_socket();
		connect_to(clients[i], port_of(fd));
	}
	send(clients[0], "x", 1, 0);
	settle();
	close(fd);
	for (int i = 0; i < 4; i++) {
		events_until(clients[i], POLLHUP);
		reset += recv(clients[i], &c, 1, MSG_DONTWAIT) == -1 && errno == ECONNRESET;
	}
	out(" reset=%d", reset);
}
