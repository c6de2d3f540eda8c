/* Threads: cancelled in every blocking call, descriptors closed, shut, replaced or reset under those who wait. */
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/uio.h>

#include "probe.h"

static char bulk[1 << 16];

struct stage {
	struct pair p;
	int fd, ep;
	long rc;
	int error;
	long (*call)(struct stage *);
};

static void *
run_call(void *arg)
{
	struct stage *s = arg;

	errno = 0;
	s->rc = s->call(s);
	s->error = errno;
	return NULL;
}

static pthread_t
begin(struct stage *s, long (*call)(struct stage *))
{
	pthread_t t;

	s->call = call;
	pthread_create(&t, NULL, run_call, s);
	settle();
	return t;
}

static void
end(struct stage *s, pthread_t t, const char *label)
{
	pthread_join(t, NULL);
	errno = s->error;
	out_rc(label, s->rc);
}

static void
reset(int fd)
{
	struct linger l = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(fd);
}

static void
stage_reader(struct stage *s)
{
	make_pair(&s->p);
	s->fd = s->p.client;
	s->ep = epoll_create1(0);
	epoll_ctl(s->ep, EPOLL_CTL_ADD, s->fd, &(struct epoll_event){ .events = EPOLLIN | EPOLLRDHUP });
}

static void
stage_writer(struct stage *s)
{
	make_pair(&s->p);
	s->fd = s->p.client;
	fill(s->fd);
}

static void
stage_accept(struct stage *s)
{
	s->fd = tcp_listener(5);
}

static void
stage_connect(struct stage *s)
{
	s->p.listener = tcp_listener(0);
	connect_to(tcp_socket(), port_of(s->p.listener));
	events_until(s->p.listener, POLLIN);
	s->fd = tcp_socket();
}

static long call_read(struct stage *s) { return read(s->fd, bulk, 100); }
static long call_readv(struct stage *s) { return readv(s->fd, &(struct iovec){ bulk, 100 }, 1); }
static long call_recv(struct stage *s) { return recv(s->fd, bulk, 100, 0); }
static long call_recvfrom(struct stage *s) { return recvfrom(s->fd, bulk, 100, 0, NULL, NULL); }
static long call_accept(struct stage *s) { return accept(s->fd, NULL, NULL) >= 0 ? 1 : -1; }
static long call_accept4(struct stage *s) { return accept4(s->fd, NULL, NULL, 0) >= 0 ? 1 : -1; }
static long call_connect(struct stage *s) { return connect_to(s->fd, port_of(s->p.listener)); }
static long call_write(struct stage *s) { return write(s->fd, bulk, 100); }
static long call_send(struct stage *s) { return send(s->fd, bulk, 100, MSG_NOSIGNAL); }
static long call_writev(struct stage *s) { return writev(s->fd, &(struct iovec){ bulk, 100 }, 1); }
static long call_poll(struct stage *s) { return poll(&(struct pollfd){ .fd = s->fd, .events = POLLIN }, 1, 5000); }
static long call_epoll_wait(struct stage *s) { return epoll_wait(s->ep, &(struct epoll_event){ 0 }, 1, 5000); }

static long
call_recvmsg(struct stage *s)
{
	struct iovec iov = { bulk, 100 };

	return recvmsg(s->fd, &(struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1 }, 0);
}

static long
call_sendmsg(struct stage *s)
{
	struct iovec iov = { bulk, 100 };

	return sendmsg(s->fd, &(struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1 }, MSG_NOSIGNAL);
}

static long
call_recvmmsg(struct stage *s)
{
	struct iovec iov = { bulk, 100 };

	return recvmmsg(s->fd, &(struct mmsghdr){ .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } }, 1, 0, NULL);
}

static long
call_select(struct stage *s)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(s->fd, &set);
	return select(s->fd + 1, &set, NULL, NULL, &(struct timeval){ 5, 0 });
}

static void
cancelled(void (*prepare)(struct stage *), long (*call)(struct stage *))
{
	static struct stage s;
	int before, after;
	void *how = NULL;
	pthread_t t;

	prepare(&s);
	before = dup(0);
	close(before);
	t = begin(&s, call);
	pthread_cancel(t);
	pthread_join(t, &how);
	after = dup(0);
	out(" cancelled=%d leaked=%d", how == PTHREAD_CANCELED, after - before);
}

PROBE(cancel, read) { cancelled(stage_reader, call_read); }
PROBE(cancel, readv) { cancelled(stage_reader, call_readv); }
PROBE(cancel, recv) { cancelled(stage_reader, call_recv); }
PROBE(cancel, recvfrom) { cancelled(stage_reader, call_recvfrom); }
PROBE(cancel, recvmsg) { cancelled(stage_reader, call_recvmsg); }
PROBE(cancel, recvmmsg) { cancelled(stage_reader, call_recvmmsg); }
PROBE(cancel, poll) { cancelled(stage_reader, call_poll); }
PROBE(cancel, select) { cancelled(stage_reader, call_select); }
PROBE(cancel, epoll_wait) { cancelled(stage_reader, call_epoll_wait); }
PROBE(cancel, write) { cancelled(stage_writer, call_write); }
PROBE(cancel, writev) { cancelled(stage_writer, call_writev); }
PROBE(cancel, send) { cancelled(stage_writer, call_send); }
PROBE(cancel, sendmsg) { cancelled(stage_writer, call_sendmsg); }
PROBE(cancel, accept4) { cancelled(stage_accept, call_accept4); }
PROBE(cancel, connect) { cancelled(stage_connect, call_connect); }

static long
call_many(struct stage *s)
{
	struct pair p;

	for (;;) {
		make_pair(&p);
		close(p.client);
		close(p.server);
		close(p.listener);
		pthread_testcancel();
	}
	return 0;
}

/* Wherever in the opening of connections the cancellation falls, the next one works. */
PROBE(cancel, between)
{
	static struct stage s;
	struct pair p;
	void *how = NULL;
	int ok = 0;

	for (int i = 0; i < 10; i++) {
		pthread_t t;

		s.call = call_many;
		pthread_create(&t, NULL, run_call, &s);
		usleep(3000 + 1700 * (unsigned)i);
		pthread_cancel(t);
		pthread_join(t, &how);
		ok += how == PTHREAD_CANCELED;
	}
	make_pair(&p);
	out(" cancelled=%d", ok);
	out_rc("write", write_pattern(p.client, 10));
	out_rc("read", read_pattern(p.server, 10));
}

/* Who waits holds on to the socket; the number is free at once. */
PROBE(thread, close_under_reader)
{
	static struct stage s;
	pthread_t t;

	stage_reader(&s);
	t = begin(&s, call_recv);
	out_rc("close", close(s.fd));
	out_events("peer", events_later(s.p.server));
	out_rc("send", send(s.p.server, "late", 4, MSG_NOSIGNAL));
	end(&s, t, "recv");
	out_events("peer", events_until(s.p.server, POLLIN | POLLRDHUP));
	errno = 0;
	out_rc("closed", recv(s.fd, bulk, 1, MSG_DONTWAIT));
}

PROBE(thread, close_under_poll)
{
	static struct stage s;
	pthread_t t;

	stage_reader(&s);
	t = begin(&s, call_poll);
	close(s.fd);
	send(s.p.server, "late", 4, MSG_NOSIGNAL);
	end(&s, t, "poll");
}

PROBE(thread, close_under_accept)
{
	static struct stage s;
	uint16_t port;
	pthread_t t;

	stage_accept(&s);
	port = port_of(s.fd);
	t = begin(&s, call_accept);
	out_rc("close", close(s.fd));
	out_rc("connect", connect_to(tcp_socket(), port));
	end(&s, t, "accept");
	settle();
	out_rc("connect", connect_to(tcp_socket(), port));
}

PROBE(thread, close_under_connect)
{
	static struct stage s;
	pthread_t t;

	stage_connect(&s);
	t = begin(&s, call_connect);
	out_rc("close", close(s.fd));
	accept(s.p.listener, NULL, NULL);
	end(&s, t, "connect");
	out_rc("number", fcntl(s.fd, F_GETFD));
}

PROBE(thread, close_under_writer)
{
	static struct stage s;
	pthread_t t;

	stage_writer(&s);
	t = begin(&s, call_send);
	out_rc("close", close(s.fd));
	drain(s.p.server);
	end(&s, t, "send");
	out_events("peer", events_until(s.p.server, POLLIN | POLLRDHUP));
}

PROBE(thread, dup2_over_reader)
{
	static struct stage s;
	pthread_t t;
	int other = open("/dev/null", O_RDONLY);

	count_signals(SIGUSR1, 0);
	stage_reader(&s);
	t = begin(&s, call_recv);
	out(" dup2=%d", dup2(other, s.fd) == s.fd);
	pthread_kill(t, SIGUSR1);
	end(&s, t, "recv");
	out_events("peer", events_until(s.p.server, POLLIN | POLLRDHUP));
	out_rc("read", read(s.fd, bulk, 1));
}

PROBE(thread, dup2_over_accept)
{
	static struct stage s;
	pthread_t t;
	int other = open("/dev/null", O_RDONLY);
	uint16_t port;

	count_signals(SIGUSR1, 0);
	stage_accept(&s);
	port = port_of(s.fd);
	t = begin(&s, call_accept);
	out(" dup2=%d", dup2(other, s.fd) == s.fd);
	pthread_kill(t, SIGUSR1);
	end(&s, t, "accept");
	settle();
	out_rc("connect", connect_to(tcp_socket(), port));
}

PROBE(thread, shut_reading_under_reader)
{
	static struct stage s;
	pthread_t t;

	stage_reader(&s);
	t = begin(&s, call_recv);
	out_rc("shutdown", shutdown(s.fd, SHUT_RD));
	end(&s, t, "recv");
}

PROBE(thread, shut_under_poll)
{
	static struct stage s;
	pthread_t t;

	stage_reader(&s);
	t = begin(&s, call_poll);
	out_rc("shutdown", shutdown(s.fd, SHUT_RDWR));
	end(&s, t, "poll");
}

PROBE(thread, shut_under_epoll)
{
	static struct stage s;
	pthread_t t;

	stage_reader(&s);
	t = begin(&s, call_epoll_wait);
	out_rc("shutdown", shutdown(s.fd, SHUT_RDWR));
	end(&s, t, "epoll");
}

PROBE(thread, shut_under_writer)
{
	static struct stage s;
	pthread_t t;

	stage_writer(&s);
	t = begin(&s, call_send);
	out_rc("shutdown", shutdown(s.fd, SHUT_WR));
	end(&s, t, "send");
}

PROBE(thread, reset_under_reader)
{
	static struct stage s;
	pthread_t t;

	stage_reader(&s);
	t = begin(&s, call_recv);
	reset(s.p.server);
	end(&s, t, "recv");
	out_rc("again", recv(s.fd, bulk, 1, 0));
	out_rc("send", send(s.fd, bulk, 1, MSG_NOSIGNAL));
}

PROBE(thread, reset_under_writer)
{
	static struct stage s;
	pthread_t t;

	stage_writer(&s);
	t = begin(&s, call_send);
	reset(s.p.server);
	end(&s, t, "send");
	out_rc("again", send(s.fd, bulk, 1, MSG_NOSIGNAL));
	out_rc("recv", recv(s.fd, bulk, 1, 0));
}

PROBE(thread, reset_under_poll)
{
	static struct stage s;
	pthread_t t;

	stage_reader(&s);
	t = begin(&s, call_poll);
	reset(s.p.server);
	end(&s, t, "poll");
	out_events("now", events_now(s.fd));
}

PROBE(thread, end_under_reader)
{
	static struct stage s;
	pthread_t t;

	stage_reader(&s);
	t = begin(&s, call_recv);
	shutdown(s.p.server, SHUT_WR);
	end(&s, t, "recv");
}

PROBE(thread, reader_and_writer)
{
	static struct stage s;
	pthread_t t;

	stage_reader(&s);
	t = begin(&s, call_recv);
	out_rc("write", write_pattern(s.fd, 1000));
	out_rc("read", read_pattern(s.p.server, 1000));
	send(s.p.server, "abc", 3, 0);
	end(&s, t, "recv");
}

PROBE(thread, two_acceptors)
{
	struct stage a = { 0 }, b = { 0 };
	pthread_t ta, tb;

	stage_accept(&a);
	b.fd = a.fd;
	ta = begin(&a, call_accept);
	tb = begin(&b, call_accept);
	connect_to(tcp_socket(), port_of(a.fd));
	connect_to(tcp_socket(), port_of(a.fd));
	end(&a, ta, "a");
	end(&b, tb, "b");
}

/* A thread that waits in epoll meets a socket that connects only later. */
PROBE(thread, connect_while_watched)
{
	static struct stage s;
	int listener = tcp_listener(5), server;
	pthread_t t;

	s.fd = tcp_socket();
	s.ep = epoll_create1(0);
	s.p.client = s.fd;
	t = begin(&s, call_epoll_wait);
	set_nonblock(s.fd);
	out_rc("connect", connect_to(s.fd, port_of(listener)));
	epoll_ctl(s.ep, EPOLL_CTL_ADD, s.fd, &(struct epoll_event){ .events = EPOLLIN });
	server = accept(listener, NULL, NULL);
	send(server, "x", 1, 0);
	end(&s, t, "epoll");
}
