/* Sockets across fork, exec, spawn and SCM_RIGHTS; readiness in epoll. */
#include <pthread.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "probe.h"

PROBE(process, child_serves)
{
	struct pair p;
	int status;

	make_pair(&p);
	if (fork() == 0) {
		close(p.client);
		close(p.listener);
		if (read_pattern(p.server, 1000) != 1000 || write_pattern(p.server, 2000) != 2000)
			_exit(1);
		_exit(0);
	}
	close(p.server);
	write_pattern(p.client, 1000);
	out_rc("read", read_pattern(p.client, 3000));
	wait(&status);
	out(" status=%d", WEXITSTATUS(status));
}

PROBE(process, child_connects)
{
	int listener = tcp_listener(5), s;

	/* The parent's carrier exists before the fork; the child must make its own. */
	close(tcp_listener(1));
	if (fork() == 0) {
		int fd = tcp_socket();

		if (connect_to(fd, port_of(listener)) != 0)
			_exit(1);
		write_pattern(fd, 1000);
		_exit(0);
	}
	s = accept(listener, NULL, NULL);
	out_rc("read", read_pattern(s, 2000));
}

PROBE(process, raw_clone_serves)
{
	struct pair p;
	int fd[2], status;
	uint16_t port;

	/* vsftpd's way: a child that no fork handler knows of gives up its rights, and only then listens. */
	pipe(fd);
	make_pair(&p);
	if (syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) == 0) {
		int listener;

		if (getuid() == 0 && setuid(65534) != 0)
			_exit(1);
		listener = tcp_listener(5);
		port = port_of(listener);
		write(fd[1], &port, sizeof(port));
		_exit(write_pattern(accept(listener, NULL, NULL), 3000) == 3000 ? 7 : 8);
	}
	close(fd[1]);
	if (read(fd[0], &port, sizeof(port)) == sizeof(port)) {
		int s = tcp_socket();

		out_rc("connect", connect_to(s, port));
		out_rc("read", read_pattern(s, 4000));
	}
	wait(&status);
	out(" status=%d", WEXITSTATUS(status));
}

PROBE(process, parent_leaves)
{
	struct pair p;
	int fd[2];
	char c;

	/* daemon(): the child goes on with a listener that its parent made. */
	pipe(fd);
	p.client = tcp_socket();
	if (fork() == 0) {
		uint16_t port;

		p.listener = tcp_listener(5);
		port = port_of(p.listener);
		if (fork() != 0)
			_exit(0);
		settle();
		write(fd[1], &port, sizeof(port));
		p.server = accept(p.listener, NULL, NULL);
		write_pattern(p.server, 5000);
		_exit(0);
	}
	uint16_t port = 0;

	wait(NULL);
	read(fd[0], &port, sizeof(port));
	out_rc("connect", connect_to(p.client, port));
	out_rc("read", read_pattern(p.client, 6000));
	out_rc("eof", read(p.client, &c, 1));
}

PROBE(process, names_in_child)
{
	struct sockaddr_storage ss;
	struct pair p;
	int status;

	make_pair(&p);
	if (fork() == 0) {
		socklen_t len = sizeof(ss);
		int ok = getpeername(p.client, (struct sockaddr *)&ss, &len) == 0 && ss.ss_family == family &&
		    port_of(p.server) == port_of(p.listener);

		_exit(ok ? 7 : 8);
	}
	wait(&status);
	out(" status=%d", WEXITSTATUS(status));
}

PROBE(process, options_in_child)
{
	struct pair p;
	int status, one = 1, got = 0;
	socklen_t len = sizeof(got);

	make_pair(&p);
	if (fork() == 0)
		_exit(setsockopt(p.client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0 ? 7 : 8);
	wait(&status);
	getsockopt(p.client, IPPROTO_TCP, TCP_NODELAY, &got, &len);
	out(" status=%d nodelay=%d", WEXITSTATUS(status), got);
}

PROBE(process, exec_inherits)
{
	struct pair p;

	make_pair(&p);
	if (fork() == 0) {
		dup2(p.server, 0);
		dup2(p.server, 1);
		close(p.client);
		close(p.server);
		close(p.listener);
		execl("/bin/cat", "cat", (char *)NULL);
		_exit(9);
	}
	close(p.server);
	out_rc("write", write_pattern(p.client, 10000));
	shutdown(p.client, SHUT_WR);
	out_rc("read", read_pattern(p.client, 20000));
	wait(NULL);
}

PROBE(process, spawn_inherits)
{
	posix_spawn_file_actions_t fa;
	char cat[] = "cat", *argv[] = { cat, NULL };
	struct pair p;
	pid_t pid;

	make_pair(&p);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, p.server, 0);
	posix_spawn_file_actions_adddup2(&fa, p.server, 1);
	for (int i = 3; i < 20; i++)
		posix_spawn_file_actions_addclose(&fa, i);
	out_rc("spawn", posix_spawn(&pid, "/bin/cat", &fa, NULL, argv, (char *[]){ NULL }));
	close(p.server);
	out_rc("write", write_pattern(p.client, 10000));
	shutdown(p.client, SHUT_WR);
	out_rc("read", read_pattern(p.client, 20000));
	waitpid(pid, NULL, 0);
}

PROBE(process, vfork_child)
{
	struct pair p;
	int status;
	pid_t pid;

	make_pair(&p);
	pid = vfork();
	if (pid == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(9);
	}
	waitpid(pid, &status, 0);
	out(" status=%d", WEXITSTATUS(status));
	out_rc("write", write_pattern(p.client, 1000));
	out_rc("read", read_pattern(p.server, 1000));
}

PROBE(process, system_call)
{
	struct pair p;

	make_pair(&p);
	out_rc("system", system("exit 3"));
	out_rc("write", write_pattern(p.client, 1000));
	out_rc("read", read_pattern(p.server, 1000));
}

static void
pass(int sock, int fd)
{
	union { struct cmsghdr h; char buf[CMSG_SPACE(sizeof(int))]; } c = { 0 };
	char byte = 'x';
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c) };

	c.h.cmsg_level = SOL_SOCKET;
	c.h.cmsg_type = SCM_RIGHTS;
	c.h.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&c.h), &fd, sizeof(int));
	sendmsg(sock, &m, 0);
}

static int
take(int sock)
{
	union { struct cmsghdr h; char buf[CMSG_SPACE(sizeof(int))]; } c = { 0 };
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c) };
	int fd = -1;

	if (recvmsg(sock, &m, 0) == 1 && m.msg_controllen != 0)
		memcpy(&fd, CMSG_DATA(&c.h), sizeof(int));
	return fd;
}

PROBE(process, passed_descriptor)
{
	struct sockaddr_storage ss;
	struct pair p;
	int sv[2];

	/* The receiver never had a socket of its own. */
	socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	if (fork() == 0) {
		socklen_t len = sizeof(ss);
		int fd = take(sv[1]), type = 0, ok;
		socklen_t tlen = sizeof(type);

		ok = getpeername(fd, (struct sockaddr *)&ss, &len) == 0 && ss.ss_family == family;
		ok = ok && getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &type, &tlen) == 0 && type == family;
		write_pattern(fd, ok ? 100 : 50);
		_exit(0);
	}
	make_pair(&p);
	pass(sv[0], p.server);
	close(p.server);
	out_rc("read", read_pattern(p.client, 200));
	wait(NULL);
}

PROBE(process, passed_listener)
{
	int listener, sv[2], client = tcp_socket();

	socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	if (fork() == 0) {
		int fd = take(sv[1]), s = accept(fd, NULL, NULL);

		write_pattern(s, 100);
		_exit(0);
	}
	listener = tcp_listener(5);
	pass(sv[0], listener);
	out_rc("connect", connect_to(client, port_of(listener)));
	out_rc("read", read_pattern(client, 200));
	wait(NULL);
}

PROBE(process, closed_behind_the_back)
{
	struct pair p;
	int again;

	make_pair(&p);
	syscall(SYS_close, p.client);
	out_events("peer", events_until(p.server, POLLIN | POLLRDHUP));
	again = socket(AF_UNIX, SOCK_DGRAM, 0);
	out(" reused=%d", again == p.client);
	out_rc("name", getpeername(again, (struct sockaddr *)&(struct sockaddr_storage){ 0 }, &(socklen_t){ 100 }));
}

PROBE(process, dup2_over)
{
	struct pair p, q;

	make_pair(&p);
	make_pair(&q);
	out_rc("dup2", dup2(p.client, q.client) == q.client);
	out_events("old-peer", events_until(q.server, POLLIN | POLLRDHUP));
	out_rc("write", write_pattern(q.client, 10));
	out_rc("read", read_pattern(p.server, 10));
}

PROBE(process, many_descriptors)
{
	struct pair p[50];
	int ok = 0;

	for (int i = 0; i < 50; i++)
		make_pair(&p[i]);
	for (int i = 0; i < 50; i++)
		write_pattern(p[i].client, 100 + (size_t)i);
	for (int i = 0; i < 50; i++)
		ok += read_pattern(p[i].server, 100 + (size_t)i) == 100 + i;
	out(" ok=%d", ok);
}

PROBE(process, wait_sees_no_stranger)
{
	struct pair p;

	make_pair(&p);
	write_pattern(p.client, 100);
	out_rc("read", read_pattern(p.server, 100));
	out_rc("wait", waitpid(-1, NULL, WNOHANG));
}

PROBE(process, signal_to_process)
{
	struct pair p;
	sigset_t set;
	int sig = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	make_pair(&p);
	kill(getpid(), SIGUSR1);
	out_rc("sigwait", sigwait(&set, &sig));
	out(" sig=%d", sig == SIGUSR1);
}

static void *
thread_pair(void *arg)
{
	struct pair p;
	long n;

	make_pair(&p);
	write_pattern(p.client, 20000);
	n = read_pattern(p.server, 20000);
	close(p.client);
	close(p.server);
	close(p.listener);
	return (void *)n;
}

PROBE(process, threads)
{
	pthread_t t[8];
	int ok = 0;

	for (int i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, thread_pair, NULL);
	for (int i = 0; i < 8; i++) {
		void *n;

		pthread_join(t[i], &n);
		ok += (long)n == 20000;
	}
	out(" ok=%d", ok);
}

PROBE(epoll, edge_triggered)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	struct pair p;
	int ep = epoll_create1(0);

	make_pair(&p);
	epoll_ctl(ep, EPOLL_CTL_ADD, p.server, &ev);
	out_rc("first", epoll_wait(ep, &ev, 1, 100));
	out(",%x", ev.events);
	out_rc("quiet", epoll_wait(ep, &ev, 1, 50));
	send(p.client, "x", 1, 0);
	out_rc("data", epoll_wait(ep, &ev, 1, 2000));
	out(",%x", ev.events);
	out_rc("quiet", epoll_wait(ep, &ev, 1, 50));
	send(p.client, "x", 1, 0);
	out_rc("more", epoll_wait(ep, &ev, 1, 2000));
	out(",%x", ev.events);
	close(p.client);
	out_rc("eof", epoll_wait(ep, &ev, 1, 2000));
	out(",%x", ev.events);
}

PROBE(epoll, one_shot)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT };
	struct pair p;
	int ep = epoll_create1(0);

	make_pair(&p);
	epoll_ctl(ep, EPOLL_CTL_ADD, p.server, &ev);
	send(p.client, "x", 1, 0);
	out_rc("first", epoll_wait(ep, &ev, 1, 2000));
	out_rc("second", epoll_wait(ep, &ev, 1, 50));
	ev.events = EPOLLIN | EPOLLONESHOT;
	epoll_ctl(ep, EPOLL_CTL_MOD, p.server, &ev);
	out_rc("rearmed", epoll_wait(ep, &ev, 1, 2000));
}

PROBE(epoll, rdhup_only)
{
	struct epoll_event ev = { .events = EPOLLRDHUP };
	struct pair p;
	int ep = epoll_create1(0);

	make_pair(&p);
	epoll_ctl(ep, EPOLL_CTL_ADD, p.server, &ev);
	send(p.client, "x", 1, 0);
	out_rc("data", epoll_wait(ep, &ev, 1, 50));
	shutdown(p.client, SHUT_WR);
	out_rc("fin", epoll_wait(ep, &ev, 1, 2000));
	out(",%x", ev.events);
}

PROBE(epoll, listener_exclusive)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLEXCLUSIVE };
	int listener = tcp_listener(5), a = epoll_create1(0);

	out_rc("add", epoll_ctl(a, EPOLL_CTL_ADD, listener, &ev));
	connect_to(tcp_socket(), port_of(listener));
	out_rc("wait", epoll_wait(a, &ev, 1, 2000));
	out(",%x", ev.events);
}

PROBE(epoll, listener_edge)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	int listener = tcp_listener(5), ep = epoll_create1(0);

	epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev);
	out_rc("empty", epoll_wait(ep, &ev, 1, 20));
	connect_to(tcp_socket(), port_of(listener));
	out_rc("one", epoll_wait(ep, &ev, 1, 2000));
	out_rc("quiet", epoll_wait(ep, &ev, 1, 50));
	connect_to(tcp_socket(), port_of(listener));
	out_rc("two", epoll_wait(ep, &ev, 1, 2000));
}

PROBE(epoll, listener_before_listen)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = 5 };
	struct sockaddr_storage ss;
	int fd = tcp_socket(), ep = epoll_create1(0);

	bind(fd, (struct sockaddr *)&ss, loopback(&ss, 0));
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	out_rc("listen", listen(fd, 5));
	connect_to(tcp_socket(), port_of(fd));
	out_rc("wait", epoll_wait(ep, &ev, 1, 2000));
	out(",%x,%u", ev.events, ev.data.u32);
}

PROBE(epoll, writable_again)
{
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLET };
	static char big[1 << 16];
	struct pair p;
	int ep = epoll_create1(0);

	make_pair(&p);
	set_nonblock(p.client);
	set_nonblock(p.server);
	for (int quiet = 0; quiet < 20;) {
		if (send(p.client, big, sizeof(big), 0) < 0) {
			quiet++;
			usleep(20000);
		} else
			quiet = 0;
	}
	epoll_ctl(ep, EPOLL_CTL_ADD, p.client, &ev);
	out_rc("full", epoll_wait(ep, &ev, 1, 20));
	for (int quiet = 0; quiet < 10;) {
		if (read(p.server, big, sizeof(big)) < 0) {
			quiet++;
			usleep(10000);
		} else
			quiet = 0;
	}
	out_rc("room", epoll_wait(ep, &ev, 1, 2000));
	out(",%x", ev.events);
}

PROBE(epoll, small_writes_show_no_edge)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	struct pair p;
	int ep = epoll_create1(0);

	make_pair(&p);
	epoll_ctl(ep, EPOLL_CTL_ADD, p.client, &ev);
	out_rc("first", epoll_wait(ep, &ev, 1, 2000));
	for (int i = 0; i < 8; i++) {
		send(p.client, "0123456789", 10, 0);
		out_rc("sent", epoll_wait(ep, &ev, 1, 20));
	}
	send(p.server, "x", 1, 0);
	out_rc("answer", epoll_wait(ep, &ev, 1, 2000));
	out(",%x", ev.events);
}

PROBE(epoll, small_writes_after_pending_connect)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	int listener = tcp_listener(5), fd = tcp_socket(), ep = epoll_create1(0);

	set_nonblock(fd);
	connect_to(fd, port_of(listener));
	events_until(fd, POLLOUT);
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	out_rc("first", epoll_wait(ep, &ev, 1, 2000));
	send(fd, "hello", 5, 0);
	out_rc("sent", epoll_wait(ep, &ev, 1, 50));
	send(fd, "world", 5, 0);
	out_rc("sent", epoll_wait(ep, &ev, 1, 50));
}
