/* Endings: shutdown, close, EOF, reset, SIGPIPE, linger, exits of the process. */
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "probe.h"

PROBE(end, peer_closes)
{
	struct pair p;
	char c = 0;

	make_pair(&p);
	close(p.server);
	out_events("poll", events_until(p.client, POLLIN | POLLRDHUP));
	out_rc("read", read(p.client, &c, 1));
	out_rc("read", read(p.client, &c, 1));
	out_rc("send", send(p.client, &c, 1, MSG_NOSIGNAL));
	/* POLLERR: see reset_behind_end. */
	out_events("poll", events_until(p.client, POLLHUP) & ~POLLERR);
	out_rc("send", send(p.client, &c, 1, MSG_NOSIGNAL));
	out_rc("send", send(p.client, &c, 1, MSG_NOSIGNAL));
	out_rc("read", read(p.client, &c, 1));
}

PROBE(end, reset_behind_end)
{
	struct pair p;

	make_pair(&p);
	close(p.server);
	events_until(p.client, POLLIN | POLLRDHUP);
	send(p.client, "x", 1, MSG_NOSIGNAL);
	out_events("poll", events_until(p.client, POLLHUP));
}

/* The order of a server that answers without reading all of the request. */
PROBE(end, reset_behind_answer)
{
	struct pair p;
	int error = -1;
	socklen_t len = sizeof(error);
	char buf[100];

	make_pair(&p);
	write_pattern(p.client, 50000);
	events_until(p.server, POLLIN);
	write_pattern(p.server, 20);
	shutdown(p.server, SHUT_WR);
	settle();
	close(p.server);
	settle();
	out_rc("read", recv(p.client, buf, sizeof(buf), MSG_DONTWAIT));
	out_rc("read", recv(p.client, buf, sizeof(buf), MSG_DONTWAIT));
	out_rc("error", getsockopt(p.client, SOL_SOCKET, SO_ERROR, &error, &len));
	out(":%s", strerrorname_np(error));
	out_rc("read", recv(p.client, buf, sizeof(buf), MSG_DONTWAIT));
	out_rc("send", send(p.client, buf, 1, MSG_NOSIGNAL));
}

PROBE(end, peer_shuts_writing)
{
	struct pair p;
	char c = 0;

	make_pair(&p);
	out_rc("shutdown", shutdown(p.server, SHUT_WR));
	out_events("poll", events_until(p.client, POLLIN | POLLRDHUP));
	out_rc("read", read(p.client, &c, 1));
	out_rc("write", write_pattern(p.client, 100000));
	out_rc("read", read_pattern(p.server, 100000));
	out_events("poll", events_now(p.server));
	out_rc("send", send(p.server, &c, 1, MSG_NOSIGNAL));
	close(p.client);
	out_events("both", events_until(p.server, POLLIN | POLLHUP));
	out_rc("read", read(p.server, &c, 1));
}

PROBE(end, shut_writing_signal)
{
	struct pair p;

	make_pair(&p);
	count_signals(SIGPIPE, 0);
	shutdown(p.client, SHUT_WR);
	out_rc("send", send(p.client, "x", 1, 0));
	out(" signals=%d", (int)signals_seen);
	out_rc("write", write(p.client, "x", 1));
	out(" signals=%d", (int)signals_seen);
	out_rc("nosignal", send(p.client, "x", 1, MSG_NOSIGNAL));
	out(" signals=%d", (int)signals_seen);
}

PROBE(end, shut_reading)
{
	struct pair p;
	char c = 0;

	make_pair(&p);
	out_rc("shutdown", shutdown(p.client, SHUT_RD));
	out_events("poll", events_now(p.client));
	out_rc("read", read(p.client, &c, 1));
	out_rc("peer-send", send(p.server, "x", 1, MSG_NOSIGNAL));
	settle();
	out_rc("peer-send", send(p.server, "x", 1, MSG_NOSIGNAL));
	out_rc("write", write_pattern(p.client, 10));
	out_rc("peer-read", read_pattern(p.server, 10));
}

PROBE(end, shut_both)
{
	struct pair p;
	char c = 0;

	make_pair(&p);
	out_rc("shutdown", shutdown(p.client, SHUT_RDWR));
	out_events("poll", events_now(p.client));
	out_rc("read", read(p.client, &c, 1));
	out_rc("send", send(p.client, &c, 1, MSG_NOSIGNAL));
	out_events("peer", events_until(p.server, POLLIN | POLLRDHUP));
	out_rc("peer-read", read(p.server, &c, 1));
	out_rc("again", shutdown(p.client, SHUT_RDWR));
	out_rc("bad", shutdown(p.client, 9));
}

PROBE(end, shut_twice)
{
	struct pair p;

	make_pair(&p);
	out_rc("wr", shutdown(p.client, SHUT_WR));
	out_rc("wr", shutdown(p.client, SHUT_WR));
	out_rc("rd", shutdown(p.client, SHUT_RD));
	close(p.server);
	events_until(p.client, POLLHUP);
	settle();
	out_rc("after", shutdown(p.client, SHUT_RDWR));
	out_rc("peername", getpeername(p.client, (struct sockaddr *)&(struct sockaddr_storage){ 0 }, &(socklen_t){ 100 }));
}

PROBE(end, data_before_close)
{
	struct pair p;

	make_pair(&p);
	out_rc("write", write_pattern(p.client, 100000));
	close(p.client);
	out_rc("read", read_pattern(p.server, 200000));
	out_events("poll", events_now(p.server));
}

PROBE(end, close_with_unread_resets)
{
	struct pair p;
	char c = 0;

	make_pair(&p);
	send(p.client, "unread", 6, 0);
	events_until(p.server, POLLIN);
	close(p.server);
	out_events("poll", events_until(p.client, POLLERR | POLLHUP));
	out_rc("read", read(p.client, &c, 1));
	out_rc("read", read(p.client, &c, 1));
	out_rc("send", send(p.client, &c, 1, MSG_NOSIGNAL));
	out_rc("shutdown", shutdown(p.client, SHUT_WR));
	out_rc("peername", getpeername(p.client, (struct sockaddr *)&(struct sockaddr_storage){ 0 }, &(socklen_t){ 100 }));
}

PROBE(end, reset_seen_by_so_error)
{
	struct pair p;
	int e = 0;
	socklen_t len = sizeof(e);

	make_pair(&p);
	send(p.client, "unread", 6, 0);
	events_until(p.server, POLLIN);
	close(p.server);
	events_until(p.client, POLLERR | POLLHUP);
	getsockopt(p.client, SOL_SOCKET, SO_ERROR, &e, &len);
	out(" error=%s", e ? strerrorname_np(e) : "0");
	getsockopt(p.client, SOL_SOCKET, SO_ERROR, &e, &len);
	out(" then=%s", e ? strerrorname_np(e) : "0");
	out_rc("read", read(p.client, (char[1]){ 0 }, 1));
}

PROBE(end, reset_seen_by_send)
{
	struct pair p;

	make_pair(&p);
	count_signals(SIGPIPE, 0);
	send(p.client, "unread", 6, 0);
	events_until(p.server, POLLIN);
	close(p.server);
	events_until(p.client, POLLERR | POLLHUP);
	out_rc("send", send(p.client, "x", 1, 0));
	out(" signals=%d", (int)signals_seen);
	out_rc("send", send(p.client, "x", 1, 0));
	out(" signals=%d", (int)signals_seen);
	out_rc("read", read(p.client, (char[1]){ 0 }, 1));
}

PROBE(end, reset_behind_data)
{
	struct linger l = { 1, 0 };
	struct pair p;
	char buf[10];

	make_pair(&p);
	send(p.server, "data", 4, 0);
	events_until(p.client, POLLIN);
	setsockopt(p.server, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(p.server);
	out_events("poll", events_until(p.client, POLLERR | POLLHUP));
	out_rc("read", recv(p.client, buf, 10, 0));
	out_rc("read", recv(p.client, buf, 10, 0));
}

PROBE(end, linger_zero_resets)
{
	struct linger l = { 1, 0 };
	struct pair p;

	make_pair(&p);
	setsockopt(p.client, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	out_rc("close", close(p.client));
	out_events("poll", events_until(p.server, POLLERR | POLLHUP));
	out_rc("read", read(p.server, (char[1]){ 0 }, 1));
	out_rc("read", read(p.server, (char[1]){ 0 }, 1));
}

PROBE(end, linger_zero_resets_at_once)
{
	struct linger l = { 1, 0 };
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct pair p;
	char buf[10];

	make_pair(&p);
	set_nonblock(p.client);
	setsockopt(p.client, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	out_rc("send", send(p.client, "data", 4, 0));
	out_rc("close", close(p.client));
	out_rc("name", getpeername(p.server, (struct sockaddr *)&ss, &len));
	out_events("poll", events_now(p.server));
	out_rc("read", recv(p.server, buf, sizeof(buf), MSG_DONTWAIT));
	out_rc("read", recv(p.server, buf, sizeof(buf), MSG_DONTWAIT));
	out_rc("read", recv(p.server, buf, sizeof(buf), MSG_DONTWAIT));
}

PROBE(end, linger_waits)
{
	struct linger l = { 1, 5 };
	struct timespec a, b;
	struct pair p;

	make_pair(&p);
	setsockopt(p.client, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	write_pattern(p.client, 1000);
	clock_gettime(CLOCK_MONOTONIC, &a);
	out_rc("close", close(p.client));
	clock_gettime(CLOCK_MONOTONIC, &b);
	out(" quick=%d", b.tv_sec - a.tv_sec < 4);
	out_rc("read", read_pattern(p.server, 2000));
}

PROBE(end, write_signal)
{
	struct pair p;

	make_pair(&p);
	count_signals(SIGPIPE, 0);
	close(p.server);
	events_until(p.client, POLLRDHUP);
	out_rc("write", write(p.client, "x", 1));
	events_until(p.client, POLLHUP);
	out_rc("write", write(p.client, "x", 1));
	out(" signals=%d", (int)signals_seen);
}

PROBE(end, names_after_close)
{
	struct sockaddr_storage ss;
	struct pair p;
	socklen_t len = sizeof(ss);

	make_pair(&p);
	close(p.server);
	events_until(p.client, POLLRDHUP);
	out_rc("peername", getpeername(p.client, (struct sockaddr *)&ss, &len));
	out_rc("sockname", getsockname(p.client, (struct sockaddr *)&ss, &len));
	out(" family=%d", ss.ss_family == family);
}

static void *
read_one(void *arg)
{
	char c;

	return (void *)(intptr_t)read(*(int *)arg, &c, 1);
}

PROBE(end, shutdown_wakes_reader)
{
	struct pair p;
	pthread_t t;
	void *n;

	make_pair(&p);
	pthread_create(&t, NULL, read_one, &p.client);
	settle();
	out_rc("shutdown", shutdown(p.client, SHUT_RDWR));
	pthread_join(t, &n);
	out(" read=%ld", (long)n);
}

PROBE(end, dup_keeps_open)
{
	struct pair p;
	int copy;

	make_pair(&p);
	copy = dup(p.client);
	close(p.client);
	out_events("open", events_later(p.server));
	out_rc("write", write_pattern(copy, 10));
	out_rc("read", read_pattern(p.server, 10));
	close(copy);
	out_events("closed", events_until(p.server, POLLIN | POLLRDHUP));
}

/* What a child wrote before it left by `how` arrives, and then EOF. */
static void
leaves(void (*how)(void))
{
	struct pair p;
	int listener = tcp_listener(5), status;
	pid_t pid = fork();

	if (pid == 0) {
		p.client = tcp_socket();
		if (connect_to(p.client, port_of(listener)) != 0)
			_exit(1);
		write_pattern(p.client, 300000);
		how();
		_exit(2);
	}
	p.server = accept(listener, NULL, NULL);
	out_rc("read", read_pattern(p.server, 400000));
	waitpid(pid, &status, 0);
	if (WIFEXITED(status))
		out(" status=%d", WEXITSTATUS(status));
	else
		out(" signal=%d", WTERMSIG(status));
	out_rc("children", waitpid(-1, &status, 0));
}

static void by_exit(void) { exit(42); }
static void by__exit(void) { _exit(42); }
static void by_quick_exit(void) { quick_exit(42); }
static void by_exec(void) { execl("/bin/sh", "sh", "-c", "exit 42", (char *)NULL); }
static void by_execvp(void) { char sh[] = "sh", c[] = "-c", script[] = "exit 42"; char *argv[] = { sh, c, script, NULL }; execvp("sh", argv); }

static void *
exit_in_thread(void *arg)
{
	exit(42);
}

static void
by_thread(void)
{
	pthread_t t;

	pthread_create(&t, NULL, exit_in_thread, NULL);
	pause();
}

PROBE(leave, exit) { leaves(by_exit); }
PROBE(leave, _exit) { leaves(by__exit); }
PROBE(leave, quick_exit) { leaves(by_quick_exit); }
PROBE(leave, exec) { leaves(by_exec); }
PROBE(leave, execvp) { leaves(by_execvp); }
PROBE(leave, thread) { leaves(by_thread); }

PROBE(leave, exec_failed)
{
	struct pair p;

	make_pair(&p);
	out_rc("exec", execl("/nonexistent/program", "x", (char *)NULL));
	out_rc("write", write_pattern(p.client, 1000));
	out_rc("read", read_pattern(p.server, 1000));
}
