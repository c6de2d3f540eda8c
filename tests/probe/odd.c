/* What few programs do with a socket. */
#include <fcntl.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <termios.h>
#include <time.h>

#include "probe.h"

PROBE(file, status)
{
	struct statfs sf = { 0 };
	struct stat st = { 0 };
	struct pair p;
	char link[64] = "", path[64];

	make_pair(&p);
	for (int i = 0; i < 3; i++) {
		int fd = i == 0 ? p.listener : i == 1 ? p.client : p.server;

		out_rc("fstat", fstat(fd, &st));
		out(":%o,%u,%ld,%ld,%ld", st.st_mode, (unsigned)st.st_nlink, (long)st.st_size, (long)st.st_blocks, (long)st.st_blksize);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		out_rc("link", readlink(path, link, sizeof(link)) > 0 ? 0 : -1);
		out(":%.8s same=%d", link, strtoul(link + 8, NULL, 10) == st.st_ino);
	}
	out_rc("fstatfs", fstatfs(p.client, &sf));
	out(":%lx", (unsigned long)sf.f_type);
}

PROBE(file, owner_and_mode)
{
	struct stat st = { 0 };
	struct pair p;

	make_pair(&p);
	out_rc("fchmod", fchmod(p.client, 0600));
	out_rc("fchown", fchown(p.client, getuid(), getgid()));
	fstat(p.client, &st);
	out(" own=%d", st.st_uid == getuid());
}

PROBE(file, wrong_kind)
{
	struct pair p;
	struct termios t;
	struct flock l = { .l_type = F_WRLCK };
	char buf[64];

	make_pair(&p);
	out_rc("fallocate", fallocate(p.client, 0, 0, 10));
	out_rc("fadvise", posix_fadvise(p.client, 0, 0, POSIX_FADV_NORMAL));
	out_rc("readahead", readahead(p.client, 0, 10));
	out_rc("fdatasync", fdatasync(p.client));
	out_rc("syncfs", syncfs(p.client));
	out_rc("flock", flock(p.client, LOCK_EX | LOCK_NB));
	out_rc("setlk", fcntl(p.client, F_SETLK, &l));
	out_rc("tcgetattr", tcgetattr(p.client, &t));
	out_rc("fchdir", fchdir(p.client));
	out_rc("getdents", syscall(SYS_getdents64, p.client, buf, sizeof(buf)));
	out_rc("pipesize", fcntl(p.client, F_GETPIPE_SZ));
	out_rc("seals", fcntl(p.client, F_GET_SEALS));
	out_rc("lease", fcntl(p.client, F_SETLEASE, F_RDLCK));
	out_rc("pwrite", pwrite(p.client, "x", 1, 0));
	out_rc("reopen", open((snprintf(buf, sizeof(buf), "/proc/self/fd/%d", p.client), buf), O_RDWR));
	out_rc("openat", openat(p.client, "x", O_RDONLY));
}

PROBE(file, positioned_vectors)
{
	struct pair p;
	char c = 'x';
	struct iovec v = { &c, 1 };

	make_pair(&p);
	out_rc("preadv", preadv(p.client, &v, 1, 0));
	out_rc("pwritev", pwritev(p.client, &v, 1, 0));
	out_rc("pwritev2", pwritev2(p.client, &v, 1, -1, 0));
	events_until(p.server, POLLIN);
	out_rc("preadv2", preadv2(p.server, &v, 1, -1, RWF_NOWAIT));
	out_rc("again", preadv2(p.server, &v, 1, -1, RWF_NOWAIT));
}

PROBE(file, owner_of_signals)
{
	struct pair p;
	struct f_owner_ex ex = { F_OWNER_PID, getpid() };
	int on = 1, who = 0;

	make_pair(&p);
	out_rc("fioasync", ioctl(p.client, FIOASYNC, &on));
	out(" flags=%x", fcntl(p.client, F_GETFL) & (O_ASYNC | O_NONBLOCK | O_ACCMODE));
	who = getpid();
	out_rc("spgrp", ioctl(p.client, SIOCSPGRP, &who));
	who = 0;
	out_rc("gpgrp", ioctl(p.client, SIOCGPGRP, &who));
	out(" me=%d", who == getpid());
	out_rc("setown_ex", fcntl(p.client, F_SETOWN_EX, &ex));
	out_rc("getown", fcntl(p.client, F_GETOWN) == getpid());
	on = 1;
	out_rc("fionbio", ioctl(p.client, FIONBIO, &on));
	out_rc("recv", recv(p.client, &on, 1, 0));
}

PROBE(file, interface_requests)
{
	struct ifreq r = { .ifr_name = "lo" };
	struct ifconf c = { .ifc_len = 0 };
	struct timespec ts;
	struct pair p;

	make_pair(&p);
	out_rc("flags", ioctl(p.client, SIOCGIFFLAGS, &r));
	out(":%d", r.ifr_flags & IFF_LOOPBACK);
	out_rc("index", ioctl(p.client, SIOCGIFINDEX, &r));
	out(":%d", r.ifr_ifindex);
	out_rc("mtu", ioctl(p.client, SIOCGIFMTU, &r));
	out_rc("conf", ioctl(p.client, SIOCGIFCONF, &c));
	out_rc("addr", ioctl(p.client, SIOCGIFADDR, &r));
	out_rc("stamp", ioctl(p.client, SIOCGSTAMPNS_OLD, &ts));
	out_rc("route", ioctl(p.client, SIOCADDRT, NULL));
	out_rc("unknown", ioctl(p.client, 0x1234, NULL));
}

PROBE(file, protocol_name)
{
	struct pair p;
	char buf[32] = "";
	ssize_t n;

	make_pair(&p);
	n = fgetxattr(p.client, "system.sockprotoname", buf, sizeof(buf));
	out_rc("name", n < 0 ? -1 : n);
	out(":%s", buf);
}

PROBE(closing, range)
{
	struct pair p;

	make_pair(&p);
	out_rc("range", close_range((unsigned)p.client, (unsigned)p.client, 0));
	out_events("poll", events_until(p.server, POLLRDHUP));
	out_rc("read", read(p.server, (char[1]){ 0 }, 1));
	out_rc("again", fcntl(p.client, F_GETFD));
}

PROBE(closing, from)
{
	int keep;
	struct pair p;

	make_pair(&p);
	keep = fcntl(p.server, F_DUPFD, 0);
	if (keep < p.client)
		keep = -1;
	dup2(p.server, p.listener - 1 > 2 ? p.listener - 1 : 2);
	closefrom(3);
	out_events("poll", events_until(2, POLLRDHUP));
	out_rc("read", read(2, (char[1]){ 0 }, 1));
	out_rc("refused", connect_to(tcp_socket(), 1));
}

PROBE(closing, range_cloexec)
{
	struct pair p;

	make_pair(&p);
	out_rc("range", close_range((unsigned)p.client, (unsigned)p.client, CLOSE_RANGE_CLOEXEC));
	out_rc("flag", fcntl(p.client, F_GETFD));
	out_rc("write", write_pattern(p.client, 10));
	out_rc("read", read_pattern(p.server, 10));
}

PROBE(closing, twice)
{
	struct pair p;

	make_pair(&p);
	out_rc("close", close(p.client));
	out_rc("again", close(p.client));
	out_rc("send", send(p.client, "x", 1, MSG_NOSIGNAL));
	out_rc("shutdown", shutdown(p.client, SHUT_RD));
	out_rc("name", getpeername(p.client, (struct sockaddr *)&(struct sockaddr_storage){ 0 }, &(socklen_t){ 100 }));
}

PROBE(passed, pidfd_getfd)
{
	struct pair p;
	int me, pfd, copy, status;
	pid_t child;

	make_pair(&p);
	me = pidfd_open(getpid(), 0);
	child = fork();
	if (child == 0) {
		close(p.client);
		close(p.server);
		copy = (int)syscall(SYS_pidfd_getfd, me, p.client, 0);
		if (copy < 0 || send(copy, "child", 5, 0) != 5)
			_exit(1);
		_exit(port_of(copy) != 0 ? 0 : 2);
	}
	waitpid(child, &status, 0);
	out(" child=%d", WEXITSTATUS(status));
	out_rc("read", recv(p.server, (char[5]){ 0 }, 5, MSG_WAITALL));
	pfd = pidfd_open(getpid(), 0);
	copy = (int)syscall(SYS_pidfd_getfd, pfd, p.server, 0);
	close(p.server);
	out_rc("write", write_pattern(copy, 10));
	out_rc("read", read_pattern(p.client, 10));
	close(copy);
	out_events("poll", events_until(p.client, POLLRDHUP));
}

PROBE(self, connect)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd = tcp_socket();
	char buf[8] = "";

	bind(fd, (struct sockaddr *)&ss, loopback(&ss, 0));
	out_rc("connect", connect_to(fd, port_of(fd)));
	out_rc("peer", getpeername(fd, (struct sockaddr *)&ss, &len));
	out_rc("send", send(fd, "hello", 5, MSG_NOSIGNAL));
	out_events("poll", events_until(fd, POLLIN));
	out_rc("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	out(":%.5s", buf);
	out_rc("shutdown", shutdown(fd, SHUT_WR));
	out_events("poll", events_until(fd, POLLRDHUP));
	out_rc("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
}

PROBE(bind, wrong)
{
	struct sockaddr_storage ss;
	socklen_t len = loopback(&ss, 0);
	int fd = tcp_socket(), other;

	if (family == AF_INET)
		((struct sockaddr_in *)&ss)->sin_addr.s_addr = htonl(0xc0000201);
	else
		inet_pton(AF_INET6, "2001:db8::1", &((struct sockaddr_in6 *)&ss)->sin6_addr);
	out_rc("not-local", bind(fd, (struct sockaddr *)&ss, len));
	len = loopback(&ss, 0);
	out_rc("short", bind(fd, (struct sockaddr *)&ss, 4));
	ss.ss_family = AF_UNIX;
	out_rc("family", bind(fd, (struct sockaddr *)&ss, len));
	len = loopback(&ss, 0);
	out_rc("null", bind(fd, NULL, len));
	out_rc("good", bind(fd, (struct sockaddr *)&ss, len));
	out_rc("twice", bind(fd, (struct sockaddr *)&ss, len));
	listen(fd, 1);
	out_rc("listening", bind(fd, (struct sockaddr *)&ss, len));
	other = tcp_socket();
	len = loopback(&ss, port_of(fd));
	out_rc("used", bind(other, (struct sockaddr *)&ss, len));
	connect_to(other, port_of(fd));
	len = loopback(&ss, 0);
	out_rc("connected", bind(other, (struct sockaddr *)&ss, len));
	out_rc("connect-port-0", connect_to(tcp_socket(), 0));
}

PROBE(bind, privileged_as_nobody)
{
	struct sockaddr_storage ss;
	pid_t child = fork();
	int status;

	if (child == 0) {
		if (setuid(65534) != 0)
			_exit(99);
		_exit(bind(tcp_socket(), (struct sockaddr *)&ss, loopback(&ss, 80)) == 0 ? 0 : errno);
	}
	waitpid(child, &status, 0);
	out(" bind=%d", WEXITSTATUS(status));
}

PROBE(option, device_and_mark)
{
	struct pair p;
	char name[IFNAMSIZ] = "";
	socklen_t len = sizeof(name);
	int listener = tcp_listener(5), fd = tcp_socket(), mark = 7;

	out_rc("bind", setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	out_rc("mark", setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)));
	out_rc("connect", connect_to(fd, port_of(listener)));
	out_rc("get", getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len));
	out(":%s,%u", name, len);
	len = sizeof(mark);
	mark = 0;
	out_rc("mark", getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &len));
	out(":%d", mark);
	make_pair(&p);
	len = sizeof(name);
	out_rc("none", getsockopt(p.client, SOL_SOCKET, SO_BINDTODEVICE, name, &len));
	out(":%u", len);
	out_rc("wrong", setsockopt(p.client, SOL_SOCKET, SO_BINDTODEVICE, "nosuch0", 8));
	out_rc("late", setsockopt(p.client, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
}

PROBE(option, incoming_cpu)
{
	struct pair p;
	int cpu = -5;
	socklen_t len = sizeof(cpu);

	make_pair(&p);
	write_pattern(p.client, 10);
	events_until(p.server, POLLIN);
	out_rc("get", getsockopt(p.server, SOL_SOCKET, SO_INCOMING_CPU, &cpu, &len));
	out(" known=%d", cpu >= 0);
	len = sizeof(cpu);
	out_rc("napi", getsockopt(p.server, SOL_SOCKET, SO_INCOMING_NAPI_ID, &cpu, &len));
}

PROBE(option, traffic_class)
{
	struct pair p;
	int tos = 0x28, got = -1;
	socklen_t len = sizeof(got);

	make_pair(&p);
	if (family == AF_INET) {
		out_rc("set", setsockopt(p.client, IPPROTO_IP, IP_TOS, &tos, sizeof(tos)));
		out_rc("get", getsockopt(p.client, IPPROTO_IP, IP_TOS, &got, &len));
	} else {
		out_rc("set", setsockopt(p.client, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos)));
		out_rc("get", getsockopt(p.client, IPPROTO_IPV6, IPV6_TCLASS, &got, &len));
	}
	out(":%x", got);
	len = sizeof(got);
	out_rc("priority", getsockopt(p.client, SOL_SOCKET, SO_PRIORITY, &got, &len));
	out(":%d", got);
	write_pattern(p.client, 100);
	out_rc("read", read_pattern(p.server, 100));
}

PROBE(option, user_timeout)
{
	struct pair p;
	unsigned ms = 1500, got = 0;
	socklen_t len = sizeof(got);
	int minus = -1;

	make_pair(&p);
	out_rc("set", setsockopt(p.client, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms)));
	out_rc("get", getsockopt(p.client, IPPROTO_TCP, TCP_USER_TIMEOUT, &got, &len));
	out(":%u", got);
	out_rc("minus", setsockopt(p.client, IPPROTO_TCP, TCP_USER_TIMEOUT, &minus, sizeof(minus)));
	out_events("idle", events_later(p.client));
	/* Idle for longer than that: nothing happens. */
	usleep(1700000);
	out_rc("write", write_pattern(p.client, 10));
	out_rc("read", read_pattern(p.server, 10));
}

PROBE(option, deferred_accept)
{
	int fd = tcp_listener(5), client = tcp_socket(), seconds = 10, server;

	out_rc("set", setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds)));
	out_rc("connect", connect_to(client, port_of(fd)));
	out_events("quiet", events_later(fd));
	send(client, "hello", 5, 0);
	out_events("data", events_until(fd, POLLIN));
	server = accept(fd, NULL, NULL);
	out_events("server", events_now(server));
	out_rc("recv", recv(server, (char[8]){ 0 }, 8, MSG_DONTWAIT));
}

PROBE(option, fast_open_connect)
{
	int fd = tcp_listener(5), client = tcp_socket(), one = 1, got = 0, server;
	socklen_t len = sizeof(got);

	out_rc("listener", setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &(int){ 5 }, sizeof(int)));
	out_rc("set", setsockopt(client, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one)));
	out_rc("connect", connect_to(client, port_of(fd)));
	out_rc("get", getsockopt(client, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &got, &len));
	out(":%d", got);
	out_rc("send", send(client, "hello", 5, MSG_NOSIGNAL));
	server = accept(fd, NULL, NULL);
	out_rc("recv", recv(server, (char[8]){ 0 }, 5, MSG_WAITALL));
	out_events("poll", events_until(client, POLLOUT));
}

/* glibc's struct tcp_info ends before these. */
struct long_info {
	struct tcp_info ti;
	uint64_t pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
	uint32_t segs_out, segs_in;
};

PROBE(option, info_after_transfer)
{
	struct long_info li = { 0 };
	struct tcp_info ti = { 0 };
	struct pair p;
	socklen_t len = sizeof(li);

	make_pair(&p);
	for (int i = 0; i < 20; i++) {
		write_pattern(p.client, 10000);
		read_pattern(p.server, 10000);
	}
	write_pattern(p.server, 3000);
	read_pattern(p.client, 3000);
	settle();
	out_rc("info", getsockopt(p.client, IPPROTO_TCP, TCP_INFO, &li, &len));
	out(":%d", len == sizeof(li));
	ti = li.ti;
	out(" state=%u unacked=%u lost=%u sent=%d received=%d", ti.tcpi_state, ti.tcpi_unacked,
	    ti.tcpi_lost, li.bytes_acked >= 200000 && li.bytes_acked < 201000,
	    li.bytes_received == 3000);
	out(" rtt=%d mss=%d cwnd=%d", ti.tcpi_rtt > 0 && ti.tcpi_rtt < 10000000, ti.tcpi_snd_mss > 500, ti.tcpi_snd_cwnd > 0);
	out(" segments=%d,%d", li.segs_out > 0, li.segs_in > 0);
	out(" last=%d", ti.tcpi_last_data_sent < 60000 && ti.tcpi_last_data_recv < 60000);
	shutdown(p.client, SHUT_WR);
	settle();
	len = sizeof(ti);
	getsockopt(p.client, IPPROTO_TCP, TCP_INFO, &ti, &len);
	out(" after-fin=%u", ti.tcpi_state);
	len = sizeof(ti);
	getsockopt(p.server, IPPROTO_TCP, TCP_INFO, &ti, &len);
	out(",%u", ti.tcpi_state);
	close(p.client);
	len = sizeof(ti);
	getsockopt(p.listener, IPPROTO_TCP, TCP_INFO, &ti, &len);
	out(" listener=%u", ti.tcpi_state);
	len = 8;
	out_rc("short", getsockopt(p.server, IPPROTO_TCP, TCP_INFO, &ti, &len));
	out(":%u", len);
}

PROBE(option, queue_of_stuck_reader)
{
	struct pair p;
	long filled, got = 0;
	int n = -1, m = -1;

	make_pair(&p);
	filled = fill(p.client);
	out_rc("outq", ioctl(p.client, SIOCOUTQ, &n));
	out(" some=%d", n > 0 && n <= filled);
	out_rc("inq", ioctl(p.server, FIONREAD, &m));
	out(" some=%d sum=%d", m > 0, n + m <= filled + 100000);
	ioctl(p.client, SIOCOUTQNSD, &m);
	out(" nsd=%d", m > 0 && m <= n);
	while (got < filled) {
		long more = drain(p.server);

		if (more <= 0)
			break;
		got += more;
	}
	out(" all=%d", got == filled);
	settle();
	out_rc("outq", ioctl(p.client, SIOCOUTQ, &n));
	out(":%d", n);
}

PROBE(option, zero_copy)
{
	struct pair p;
	int one = 1, fd = tcp_socket();

	make_pair(&p);
	out_rc("fresh", setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)));
	out_rc("connected", setsockopt(p.client, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)));
}

PROBE(option, lengths)
{
	static const struct { int level, name; const char *what; } some[] = {
		{ SOL_SOCKET, SO_ERROR, "error" }, { SOL_SOCKET, SO_TYPE, "type" }, { SOL_SOCKET, SO_LINGER, "linger" },
		{ SOL_SOCKET, SO_RCVTIMEO, "rcvtimeo" }, { SOL_SOCKET, SO_SNDBUF, "sndbuf" }, { SOL_SOCKET, SO_PEERCRED, "cred" },
		{ SOL_SOCKET, SO_COOKIE, "cookie" }, { SOL_SOCKET, SO_PEERNAME, "peername" }, { SOL_SOCKET, SO_MEMINFO, "meminfo" },
		{ IPPROTO_TCP, TCP_MAXSEG, "mss" }, { IPPROTO_TCP, TCP_CONGESTION, "congestion" }, { IPPROTO_TCP, TCP_INFO, "info" },
	};
	static const socklen_t lengths[] = { 0, 1, 3, 5, 12 };
	struct pair p;

	make_pair(&p);
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		out(" %s", some[i].what);
		for (size_t k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++) {
			char buf[512];
			socklen_t len = lengths[k];
			int rc = getsockopt(p.client, some[i].level, some[i].name, buf, &len);

			out(",%s%u", rc == 0 ? "" : strerrorname_np(errno), len);
		}
	}
}

PROBE(option, linger_lengths)
{
	struct linger l = { 1, 3 };
	struct pair p;

	make_pair(&p);
	out_rc("short", setsockopt(p.client, SOL_SOCKET, SO_LINGER, &l, 4));
	out_rc("null", setsockopt(p.client, SOL_SOCKET, SO_LINGER, NULL, sizeof(l)));
	out_rc("timeo-short", setsockopt(p.client, SOL_SOCKET, SO_RCVTIMEO, &l, 4));
	out_rc("device-long", setsockopt(p.client, SOL_SOCKET, SO_BINDTODEVICE, "a-name-much-too-long-to-be-one", 31));
	out_rc("congestion", setsockopt(p.client, IPPROTO_TCP, TCP_CONGESTION, "nosuch", 6));
	out_rc("congestion", setsockopt(p.client, IPPROTO_TCP, TCP_CONGESTION, "", 0));
}

/* close() with SO_LINGER in each order: how it ends, how long it takes, what the peer sees. */
static void
linger_case(const char *what, int seconds, bool nonblocking, bool unread, bool unsent)
{
	struct linger l = { 1, seconds };
	struct timespec a, b;
	struct pair p;
	short events;

	make_pair(&p);
	if (nonblocking)
		set_nonblock(p.client);
	if (unread) {
		write_pattern(p.server, 100);
		events_until(p.client, POLLIN);
	}
	if (unsent)
		fill(p.client);
	else
		write_pattern(p.client, 100);
	setsockopt(p.client, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	clock_gettime(CLOCK_MONOTONIC, &a);
	out_rc(what, close(p.client));
	clock_gettime(CLOCK_MONOTONIC, &b);
	out(" slow=%d", b.tv_sec * 1000 + b.tv_nsec / 1000000 - a.tv_sec * 1000 - a.tv_nsec / 1000000 > 700);
	settle();
	events = events_now(p.server);
	out_events("poll", events);
	close(p.server);
	close(p.listener);
}

PROBE(linger, nothing_waits)
{
	linger_case("blocking", 1, false, false, false);
	linger_case("nonblocking", 1, true, false, false);
}

PROBE(linger, unread)
{
	linger_case("time", 1, false, true, false);
	linger_case("zero", 0, false, true, false);
	linger_case("zero-nonblocking", 0, true, true, false);
}

PROBE(linger, unsent)
{
	linger_case("blocking", 1, false, false, true);
	linger_case("nonblocking", 1, true, false, true);
}

PROBE(linger, unsent_reset)
{
	linger_case("zero", 0, false, false, true);
}

PROBE(linger, after_shutdown)
{
	struct linger l = { 1, 1 };
	struct pair p;

	make_pair(&p);
	setsockopt(p.client, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	write_pattern(p.client, 10);
	out_rc("shutdown", shutdown(p.client, SHUT_WR));
	out_rc("close", close(p.client));
	out_rc("read", read_pattern(p.server, 20));
	make_pair(&p);
	l.l_linger = 0;
	setsockopt(p.client, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	write_pattern(p.client, 10);
	out_rc("shutdown", shutdown(p.client, SHUT_WR));
	settle();
	out_rc("close", close(p.client));
	settle();
	out_events("poll", events_now(p.server) & ~POLLERR);
	out_rc("read", read_pattern(p.server, 10));
	out_rc("read", read(p.server, (char[1]){ 0 }, 1));
}

PROBE(linger, dup_closes_first)
{
	struct linger l = { 1, 0 };
	struct pair p;
	int copy;

	make_pair(&p);
	setsockopt(p.client, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	copy = dup(p.client);
	out_rc("close", close(p.client));
	out_events("poll", events_later(p.server));
	out_rc("write", write_pattern(copy, 10));
	out_rc("read", read_pattern(p.server, 10));
	out_rc("close", close(copy));
	out_events("poll", events_until(p.server, POLLHUP));
}

PROBE(end, dup_shut)
{
	struct pair p;
	int copy;

	make_pair(&p);
	copy = dup(p.client);
	out_rc("shutdown", shutdown(copy, SHUT_WR));
	out_events("poll", events_until(p.server, POLLRDHUP));
	out_rc("send", send(p.client, "x", 1, MSG_NOSIGNAL));
	close(copy);
	out_rc("write", write_pattern(p.server, 10));
	out_rc("read", read_pattern(p.client, 10));
	out_rc("shutdown", shutdown(p.client, SHUT_RD));
	out_rc("read", read(p.client, (char[1]){ 0 }, 1));
	out_events("poll", events_later(p.client));
}

PROBE(many, poll_and_select)
{
	struct pollfd set[200];
	struct pair p;
	fd_set r;
	int high;

	make_pair(&p);
	for (int i = 0; i < 200; i++)
		set[i] = (struct pollfd){ .fd = i % 3 == 0 ? p.client : i % 3 == 1 ? p.server : -1, .events = POLLIN | POLLOUT };
	out_rc("poll", poll(set, 200, 1000));
	send(p.client, "x", 1, 0);
	events_until(p.server, POLLIN);
	out_rc("ppoll", ppoll(set, 200, &(struct timespec){ 1, 0 }, NULL));
	out(" %x %x %x", set[0].revents, set[1].revents, set[2].revents);
	high = fcntl(p.server, F_DUPFD, 900);
	FD_ZERO(&r);
	FD_SET(high, &r);
	out_rc("select", select(high + 1, &r, NULL, NULL, NULL));
	FD_ZERO(&r);
	close(high);
	FD_SET(high, &r);
	out_rc("bad", select(high + 1, &r, NULL, NULL, NULL));
}

PROBE(move, sendfile_from_offset)
{
	char name[] = "/tmp/probe.XXXXXX", buf[16] = "";
	int file = mkstemp(name);
	off_t at = 3;
	struct pair p;

	unlink(name);
	make_pair(&p);
	if (write(file, "0123456789", 10) != 10)
		return;
	out_rc("sendfile", sendfile(p.client, file, &at, 4));
	out(" at=%ld", (long)at);
	out_rc("recv", recv(p.server, buf, 4, MSG_WAITALL));
	out(":%s", buf);
	at = 9;
	out_rc("beyond", sendfile(p.client, file, &at, 100));
	out(" at=%ld", (long)at);
	out_rc("end", sendfile(p.client, file, &at, 100));
	at = -1;
	out_rc("minus", sendfile(p.client, file, &at, 1));
	out_rc("from-socket", sendfile(file, p.server, NULL, 1));
	out_rc("at-socket", sendfile(p.client, p.server, &at, 1));
}
