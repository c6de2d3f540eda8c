/* Sockets of processes that give up rights, roots or calls, become daemons, or look around. */
#include <dirent.h>
#include <dlfcn.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "probe.h"

/* A child that serves one connection after `restrict_self`: reads 1000 bytes, answers 2000. What the client sees. */
static void
served_by(int (*restrict_self)(void))
{
	int listener = tcp_listener(5), client = tcp_socket(), status;
	uint16_t port = port_of(listener);
	char c;

	if (fork() == 0) {
		int s;

		if (restrict_self() != 0)
			_exit(2);
		s = accept(listener, NULL, NULL);
		if (s < 0)
			_exit(3);
		if (read_pattern(s, 1000) != 1000 || write_pattern(s, 2000) != 2000)
			_exit(4);
		_exit(0);
	}
	close(listener);
	out_rc("connect", connect_to(client, port));
	out_rc("write", write_pattern(client, 1000));
	out_rc("read", read_pattern(client, 2000));
	out_rc("eof", read(client, &c, 1));
	wait(&status);
	out(" status=%d", WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
}

/* A child that connects after `restrict_self`, to a listener of the parent. */
static void
connected_by(int (*restrict_self)(void))
{
	int listener = tcp_listener(5), s, status;

	if (fork() == 0) {
		int fd = tcp_socket();

		if (restrict_self() != 0)
			_exit(2);
		if (connect_to(fd, port_of(listener)) != 0)
			_exit(3);
		_exit(write_pattern(fd, 1000) == 1000 ? 0 : 4);
	}
	s = accept(listener, NULL, NULL);
	out_rc("read", read_pattern(s, 2000));
	wait(&status);
	out(" status=%d", WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
}

/* Where the run has no such right, kernel TCP and the shim alike say so. */
static int
drop_user(void)
{
	return setgid(65534) == 0 && setuid(65534) == 0 ? 0 : -1;
}

static int
drop_root(void)
{
	return chroot("/usr") == 0 && chdir("/") == 0 ? 0 : -1;
}

static int
few_descriptors(void)
{
	struct rlimit few = { 64, 64 };

	return setrlimit(RLIMIT_NOFILE, &few);
}

PROBE(sandbox, server_drops_user) { served_by(drop_user); }
PROBE(sandbox, server_in_chroot) { served_by(drop_root); }
PROBE(sandbox, server_few_descriptors) { served_by(few_descriptors); }
PROBE(sandbox, client_drops_user) { connected_by(drop_user); }
PROBE(sandbox, client_in_chroot) { connected_by(drop_root); }

/* seccomp as a privilege-separated server uses it: from now on nothing but reading, writing and leaving. */
static int
read_write_only(void)
{
#define ALLOW(nr) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(SYS_read), ALLOW(SYS_write), ALLOW(SYS_exit), ALLOW(SYS_exit_group), ALLOW(SYS_rt_sigreturn),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0);
}

PROBE(sandbox, seccomp_child_talks)
{
	struct pair p;
	char buf[100];
	int status;

	make_pair(&p);
	if (fork() == 0) {
		if (read_write_only() != 0)
			_exit(2);
		for (ssize_t n; (n = read(p.server, buf, sizeof(buf))) > 0; )
			if (write(p.server, buf, (size_t)n) != n)
				_exit(3);
		_exit(0);
	}
	close(p.server);
	out_rc("write", write_pattern(p.client, 1000));
	out_rc("shutdown", shutdown(p.client, SHUT_WR));
	out_rc("read", read_pattern(p.client, 2000));
	wait(&status);
	out(" status=%d", WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
}

/* --- leaving while others wait --- */

static void *
leave_from_thread(void *arg)
{
	exit(0);
}

PROBE(sandbox, exit_of_a_thread)
{
	int listener = tcp_listener(5), s, status;
	char c;

	if (fork() == 0) {
		int fd = tcp_socket();
		pthread_t t;

		if (connect_to(fd, port_of(listener)) != 0)
			_exit(3);
		write_pattern(fd, 5000);
		pthread_create(&t, NULL, leave_from_thread, NULL);
		pause();
	}
	s = accept(listener, NULL, NULL);
	out_rc("read", read_pattern(s, 5000));
	wait(&status);
	out(" status=%d", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	out_rc("end", read(s, &c, 1));
}

/* --- becoming a daemon --- */

static int
become_daemon(void)
{
	return daemon(0, 0);
}

PROBE(sandbox, daemon_serves)
{
	int listener = tcp_listener(5), client = tcp_socket();
	char c;

	if (fork() == 0) {
		int s;

		if (become_daemon() != 0)
			_exit(2);
		s = accept(listener, NULL, NULL);
		read_pattern(s, 1000);
		write_pattern(s, 2000);
		_exit(0);
	}
	wait(NULL); /* the one that daemon() left behind */
	out_rc("connect", connect_to(client, port_of(listener)));
	close(listener);
	out_rc("write", write_pattern(client, 1000));
	out_rc("read", read_pattern(client, 2000));
	out_rc("eof", read(client, &c, 1));
}

/* As daemons do first of all. */
PROBE(sandbox, close_all_first)
{
	int listener, client, s, before, after;

	before = dup(0);
	close(before);
	closefrom(before);
	listener = tcp_listener(5);
	client = tcp_socket();
	out_rc("connect", connect_to(client, port_of(listener)));
	s = accept(listener, NULL, NULL);
	out(" numbers=%d,%d,%d", listener - before, client - before, s - before);
	/* All but standard streams again, in a loop and by range: the peer sees the end. */
	close_range((unsigned)client, (unsigned)client, 0);
	out_events("peer", events_until(s, POLLIN));
	for (int fd = 3; fd < 64; fd++)
		close(fd);
	after = dup(0);
	out(" next=%d", after - before);
	listener = tcp_listener(5);
	client = tcp_socket();
	out_rc("again", connect_to(client, port_of(listener)));
}

/* --- what a program can see --- */

static int
count_entries(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;

	while (d != NULL && readdir(d) != NULL)
		n++;
	if (d != NULL)
		closedir(d);
	return n;
}

PROBE(sandbox, descriptor_table)
{
	struct pair p;
	int before = count_entries("/proc/self/fd");

	make_pair(&p);
	out(" descriptors=%d", count_entries("/proc/self/fd") - before);
	close(p.client);
	close(p.server);
	close(p.listener);
	out(" after=%d", count_entries("/proc/self/fd") - before);
}

PROBE(sandbox, clone_without_memory)
{
	struct pair p;
	int status;

	make_pair(&p);
	/* fork() by system call: the library hears nothing of it. */
	if (syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) == 0) {
		char buf[1000];

		_exit(read(p.server, buf, sizeof(buf)) > 0 && write(p.server, buf, 100) == 100 ? 0 : 1);
	}
	close(p.server);
	write_pattern(p.client, 1000);
	out_rc("read", read_pattern(p.client, 100));
	wait(&status);
	out(" status=%d", WEXITSTATUS(status));
}

PROBE(sandbox, popen_reads)
{
	struct pair p;
	char line[32] = "";
	FILE *f;

	make_pair(&p);
	f = popen("echo hello", "r");
	out(" line=%s", f != NULL && fgets(line, sizeof(line), f) != NULL && strcmp(line, "hello\n") == 0 ? "hello" : "?");
	out_rc("pclose", f != NULL ? pclose(f) : -1);
	out_rc("write", write_pattern(p.client, 100));
	out_rc("read", read_pattern(p.server, 100));
}

PROBE(sandbox, by_dlsym)
{
	int (*call)(int, const struct sockaddr *, socklen_t) =
	    (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_DEFAULT, "connect");
	int listener = tcp_listener(5), client = tcp_socket(), s;
	struct sockaddr_storage ss;
	socklen_t len = loopback(&ss, port_of(listener));

	out_rc("connect", call(client, (struct sockaddr *)&ss, len));
	s = accept(listener, NULL, NULL);
	out_rc("write", write_pattern(client, 100));
	out_rc("read", read_pattern(s, 100));
}

/* --- several processes on one port --- */

enum { WORKERS = 3, CLIENTS = 24 };

/* A worker, once it listens on fd: says so and answers each connection with one byte until it is killed. */
static _Noreturn void
work_on(int fd, int ready)
{
	char c;

	write(ready, "r", 1);
	for (;;) {
		int s = accept(fd, NULL, NULL);

		if (s < 0)
			_exit(2);
		if (read(s, &c, 1) == 1)
			write(s, "x", 1);
		close(s);
	}
}

/* Starts the workers, each with `work`, asks them, ends them. `fd`: bound to their port. */
static void
ask_workers(void (*work)(int fd, int ready), int fd)
{
	int ready[2], served = 0, answered = 0;
	pid_t workers[WORKERS];
	char c;

	pipe(ready);
	for (int i = 0; i < WORKERS; i++)
		if ((workers[i] = fork()) == 0)
			work(fd, ready[1]);
	close(ready[1]);
	for (int i = 0; i < WORKERS; i++)
		out_rc("listens", read(ready[0], &c, 1));
	for (int i = 0; i < CLIENTS; i++) {
		int client = tcp_socket();

		if (connect_to(client, port_of(fd)) == 0 && write(client, "a", 1) == 1)
			served++;
		answered += read(client, &c, 1) == 1 && c == 'x';
		close(client);
	}
	out(" served=%d answered=%d", served, answered);
	for (int i = 0; i < WORKERS; i++) {
		kill(workers[i], SIGKILL);
		wait(NULL);
	}
}

/* A socket bound to `port`, 0: a free one, that shares it where `reuseport` says so. */
static int
bound_socket(uint16_t port, int reuseport)
{
	struct sockaddr_storage ss;
	socklen_t len = loopback(&ss, port);
	int fd = tcp_socket();

	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &reuseport, sizeof(reuseport));
	return bind(fd, (struct sockaddr *)&ss, len) == 0 ? fd : -1;
}

static void
listen_beside(int fd, int ready)
{
	int own = bound_socket(port_of(fd), 1);

	if (own < 0 || listen(own, 64) != 0)
		_exit(1);
	work_on(own, ready);
}

static void
listen_on_inherited(int fd, int ready)
{
	if (listen(fd, 64) != 0)
		_exit(1);
	work_on(fd, ready);
}

PROBE(sandbox, reuseport_workers) { ask_workers(listen_beside, bound_socket(0, 1)); }
/* One bound socket, inherited, on which each process calls listen() itself. */
PROBE(sandbox, listen_in_each_child) { ask_workers(listen_on_inherited, bound_socket(0, 0)); }
