/* Listening and accepting. */
#include <pthread.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "probe.h"

PROBE(listen, basics)
{
	int fd = tcp_listener(5);

	out_events("poll", events_now(fd));
	out_rc("again", listen(fd, 10));
	out_rc("recv", recv(fd, (char[1]){ 0 }, 1, MSG_DONTWAIT));
	out_rc("send", send(fd, "x", 1, MSG_NOSIGNAL));
	out_rc("shutdown-wr", shutdown(fd, SHUT_WR));
	out_events("poll", events_now(fd));
}

PROBE(listen, autobind)
{
	int fd = tcp_socket(), client = tcp_socket();

	out_rc("listen", listen(fd, 5));
	out(" port=%d", port_of(fd) != 0);
	out_rc("connect", connect_to(client, port_of(fd)));
	out_rc("write", write_pattern(client, 5));
}

PROBE(listen, address_in_use)
{
	struct sockaddr_storage ss;
	int a = tcp_listener(5), b = tcp_socket();

	out_rc("bind", bind(b, (struct sockaddr *)&ss, loopback(&ss, port_of(a))));
}

PROBE(listen, address_in_use_reuseaddr)
{
	struct sockaddr_storage ss;
	int a = tcp_listener(5), b = tcp_socket(), one = 1;

	setsockopt(b, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	out_rc("bind", bind(b, (struct sockaddr *)&ss, loopback(&ss, port_of(a))));
}

PROBE(listen, both_bound_reuseaddr)
{
	struct sockaddr_storage ss;
	int a = tcp_socket(), b = tcp_socket(), one = 1;

	setsockopt(a, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(b, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	out_rc("bind-a", bind(a, (struct sockaddr *)&ss, loopback(&ss, 0)));
	out_rc("bind-b", bind(b, (struct sockaddr *)&ss, loopback(&ss, port_of(a))));
	out_rc("listen-a", listen(a, 5));
	out_rc("listen-b", listen(b, 5));
}

PROBE(listen, port_free_after_close)
{
	struct sockaddr_storage ss;
	int a = tcp_listener(5), b = tcp_socket(), one = 1;
	uint16_t port = port_of(a);

	close(a);
	settle();
	setsockopt(b, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	out_rc("bind", bind(b, (struct sockaddr *)&ss, loopback(&ss, port)));
	out_rc("listen", listen(b, 5));
}

PROBE(listen, close_refuses)
{
	int a = tcp_listener(5), client = tcp_socket();
	uint16_t port = port_of(a);

	close(a);
	settle();
	out_rc("connect", connect_to(client, port));
}

PROBE(listen, reuseport)
{
	struct sockaddr_storage ss;
	int a = tcp_socket(), b = tcp_socket(), one = 1, got = 0;

	setsockopt(a, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	setsockopt(b, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	out_rc("bind-a", bind(a, (struct sockaddr *)&ss, loopback(&ss, 0)));
	out_rc("bind-b", bind(b, (struct sockaddr *)&ss, loopback(&ss, port_of(a))));
	out_rc("listen-a", listen(a, 50));
	out_rc("listen-b", listen(b, 50));
	set_nonblock(a);
	set_nonblock(b);
	for (int i = 0; i < 20; i++) {
		if (connect_to(tcp_socket(), port_of(a)) != 0)
			out_rc("connect", -1);
	}
	settle();
	while (accept(a, NULL, NULL) >= 0)
		got++;
	while (accept(b, NULL, NULL) >= 0)
		got++;
	out(" accepted=%d", got);
}

PROBE(accept, events)
{
	int fd = tcp_listener(5), client = tcp_socket();

	connect_to(client, port_of(fd));
	out_events("poll", events_until(fd, POLLIN));
	out_rc("accept", accept(fd, NULL, NULL) >= 0);
	out_events("poll", events_now(fd));
	set_nonblock(fd);
	out_rc("empty", accept(fd, NULL, NULL));
}

PROBE(accept, address)
{
	struct sockaddr_storage peer, name;
	int fd = tcp_listener(5), client = tcp_socket();
	socklen_t len = sizeof(peer), nlen = sizeof(name);

	connect_to(client, port_of(fd));
	errno = 0;
	out_rc("accept", accept(fd, (struct sockaddr *)&peer, &len) >= 0);
	out(" errno=%d", errno);
	getsockname(client, (struct sockaddr *)&name, &nlen);
	out(" len=%u same=%d", len, len == nlen && memcmp(&peer, &name, len) == 0);
}

PROBE(accept, address_truncated)
{
	struct sockaddr_storage peer;
	int fd = tcp_listener(5), client = tcp_socket();
	socklen_t len = 3;

	connect_to(client, port_of(fd));
	out_rc("accept", accept(fd, (struct sockaddr *)&peer, &len) >= 0);
	out(" len=%u", len);
}

PROBE(accept, flags)
{
	int fd = tcp_listener(5), a;

	connect_to(tcp_socket(), port_of(fd));
	connect_to(tcp_socket(), port_of(fd));
	out_rc("bad", accept4(fd, NULL, NULL, 1));
	a = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	out(" flags=%x cloexec=%d", (unsigned)fcntl(a, F_GETFL), fcntl(a, F_GETFD));
	a = accept4(fd, NULL, NULL, 0);
	out(" flags=%x cloexec=%d", (unsigned)fcntl(a, F_GETFL), fcntl(a, F_GETFD));
}

PROBE(accept, wrong_descriptors)
{
	struct pair p;
	int fds[2];

	make_pair(&p);
	out_rc("connected", accept(p.client, NULL, NULL));
	out_rc("accepted", accept(p.server, NULL, NULL));
	pipe(fds);
	out_rc("pipe", accept(fds[0], NULL, NULL));
	out_rc("closed", accept(999, NULL, NULL));
	out_rc("listen-connected", listen(p.client, 5));
	out_rc("listen-pipe", listen(fds[0], 5));
}

PROBE(accept, timeout)
{
	struct timeval tv = { 0, 100000 };
	int fd = tcp_listener(5);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	out_rc("accept", accept(fd, NULL, NULL));
}

PROBE(accept, interrupted)
{
	struct itimerval it = { .it_value = { 0, 100000 } };
	int fd = tcp_listener(5);

	count_signals(SIGALRM, 0);
	setitimer(ITIMER_REAL, &it, NULL);
	out_rc("accept", accept(fd, NULL, NULL));
	out(" signals=%d", (int)signals_seen);
}

static void *
connect_soon(void *arg)
{
	usleep(300000);
	connect_to(tcp_socket(), (uint16_t)*(int *)arg);
	return NULL;
}

PROBE(accept, restarted)
{
	struct itimerval it = { .it_value = { 0, 100000 } };
	int fd = tcp_listener(5), port = port_of(fd);
	pthread_t t;

	count_signals(SIGALRM, SA_RESTART);
	pthread_create(&t, NULL, connect_soon, &port);
	setitimer(ITIMER_REAL, &it, NULL);
	out_rc("accept", accept(fd, NULL, NULL) >= 0);
	out(" signals=%d", signals_seen > 0);
}

static void *
shut_soon(void *arg)
{
	usleep(100000);
	return (void *)(intptr_t)shutdown(*(int *)arg, SHUT_RDWR);
}

PROBE(accept, shut_while_blocked)
{
	int fd = tcp_listener(5), client = tcp_socket();
	uint16_t port = port_of(fd);
	pthread_t t;
	void *rc;

	pthread_create(&t, NULL, shut_soon, &fd);
	out_rc("accept", accept(fd, NULL, NULL));
	pthread_join(t, &rc);
	out(" shutdown=%ld", (long)rc);
	out_rc("again", accept(fd, NULL, NULL));
	out_rc("connect", connect_to(client, port));
}

PROBE(accept, no_free_descriptor)
{
	struct rlimit r;
	int fd = tcp_listener(5), client = tcp_socket(), spare, server;

	connect_to(client, port_of(fd));
	events_until(fd, POLLIN);
	getrlimit(RLIMIT_NOFILE, &r);
	spare = dup(0);
	r.rlim_cur = (rlim_t)spare + 1;
	setrlimit(RLIMIT_NOFILE, &r);
	out_rc("full", accept(fd, NULL, NULL));
	out_rc("again", accept(fd, NULL, NULL));
	close(spare);
	server = accept(fd, NULL, NULL);
	out(" lowest=%d", server == spare);
	out_rc("write", write_pattern(client, 10));
	out_rc("read", read_pattern(server, 10));
}

PROBE(accept, in_order)
{
	int fd = tcp_listener(50), clients[20], right = 0;

	for (int i = 0; i < 20; i++) {
		unsigned char c = (unsigned char)i;

		clients[i] = tcp_socket();
		connect_to(clients[i], port_of(fd));
		send(clients[i], &c, 1, 0);
	}
	for (int i = 0; i < 20; i++) {
		int s = accept(fd, NULL, NULL);
		unsigned char c = 99;

		right += read(s, &c, 1) == 1 && c == i;
	}
	out(" right=%d", right);
}

PROBE(accept, after_client_closed)
{
	int fd = tcp_listener(5), client = tcp_socket(), server;

	connect_to(client, port_of(fd));
	write_pattern(client, 100);
	close(client);
	settle();
	server = accept(fd, NULL, NULL);
	out_rc("accept", server >= 0);
	out_rc("read", read_pattern(server, 100));
	out_rc("eof", read(server, (char[1]){ 0 }, 1));
}

PROBE(accept, in_forked_children)
{
	int fd = tcp_listener(50), done[2], got = 0;
	char c;

	pipe(done);
	for (int i = 0; i < 3; i++) {
		if (fork() == 0) {
			close(done[0]);
			for (;;) {
				int s = accept(fd, NULL, NULL);

				if (s < 0 || read(s, &c, 1) != 1 || c == 'q')
					_exit(0);
				send(s, &c, 1, 0);
				write(done[1], &c, 1);
				close(s);
			}
		}
	}
	close(done[1]);
	for (int i = 0; i < 30; i++) {
		int s = tcp_socket();

		if (connect_to(s, port_of(fd)) != 0 || send(s, "x", 1, 0) != 1 || read(s, &c, 1) != 1)
			out_rc("trouble", -1);
		close(s);
	}
	for (int i = 0; i < 3; i++) {
		int s = tcp_socket();

		connect_to(s, port_of(fd));
		send(s, "q", 1, 0);
	}
	while (read(done[0], &c, 1) == 1)
		got++;
	out(" served=%d", got);
	while (wait(NULL) > 0)
		;
}

PROBE(accept, dual_stack)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 }, peer = { 0 };
	struct sockaddr_in to = { .sin_family = AF_INET };
	int fd = socket(AF_INET6, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0), s, zero = 0;
	socklen_t len = sizeof(any);
	char text[64];

	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	out_rc("bind", bind(fd, (struct sockaddr *)&any, sizeof(any)));
	out_rc("listen", listen(fd, 5));
	getsockname(fd, (struct sockaddr *)&any, &len);
	to.sin_port = any.sin6_port;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	out_rc("connect", connect(c, (struct sockaddr *)&to, sizeof(to)));
	len = sizeof(peer);
	s = accept(fd, (struct sockaddr *)&peer, &len);
	out(" peer=%s len=%u", inet_ntop(AF_INET6, &peer.sin6_addr, text, sizeof(text)), len);
	len = sizeof(peer);
	getsockname(s, (struct sockaddr *)&peer, &len);
	out(" name=%s", inet_ntop(AF_INET6, &peer.sin6_addr, text, sizeof(text)));
	out_rc("write", write_pattern(c, 10));
	out_rc("read", read_pattern(s, 10));
}

static void *
accept_for_ever(void *arg)
{
	accept(*(int *)arg, NULL, NULL);
	return NULL;
}

PROBE(accept, cancelled)
{
	int fd = tcp_listener(5), before, after;
	void *how = NULL;
	pthread_t t;

	before = dup(0);
	close(before);
	pthread_create(&t, NULL, accept_for_ever, &fd);
	settle();
	pthread_cancel(t);
	pthread_join(t, &how);
	after = dup(0);
	out(" cancelled=%d leaked=%d", how == PTHREAD_CANCELED, after - before);
}
