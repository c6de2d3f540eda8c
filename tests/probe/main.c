/* Runs the probes, each in a process of its own, and prints one line for each.
 * Usage: probe [-j N] 4|6 [GLOB...]      -j runs N at a time, -l lists them, -x runs in this process (for a debugger)
 * Where the system allows it each has a network namespace of its own, so that none meets another's ports. */
#include <fnmatch.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>

#include "probe.h"

#define PROBE_SECONDS 20
#define RUNS_MAX 64

int family = AF_INET;
volatile sig_atomic_t signals_seen;

static struct probe *probes;
static char line[4096];
static size_t line_len;

void
probe_add(struct probe *p)
{
	struct probe **at = &probes;

	while (*at != NULL && strcmp((*at)->name, p->name) < 0)
		at = &(*at)->next;
	p->next = *at;
	*at = p;
}

void
out(const char *fmt, ...)
{
	va_list ap;
	int saved = errno, n;

	va_start(ap, fmt);
	n = vsnprintf(line + line_len, sizeof(line) - line_len, fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < sizeof(line) - line_len)
		line_len += (size_t)n;
	errno = saved;
}

void
out_rc(const char *label, long rc)
{
	if (rc == -1)
		out(" %s=%s", label, strerrorname_np(errno) ? strerrorname_np(errno) : "?");
	else
		out(" %s=%ld", label, rc);
}

void
out_events(const char *label, short revents)
{
	static const struct { short bit; const char *name; } names[] = {
		{ POLLIN, "IN" }, { POLLPRI, "PRI" }, { POLLOUT, "OUT" }, { POLLRDHUP, "RDHUP" },
		{ POLLERR, "ERR" }, { POLLHUP, "HUP" }, { POLLNVAL, "NVAL" },
	};
	const char *sep = "";

	out(" %s=", label);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (revents & names[i].bit) {
			out("%s%s", sep, names[i].name);
			sep = "|";
		}
	}
	if (*sep == '\0')
		out("-");
}

/* Writes the line and ends the process, at once or with what is wrong. */
static void
finish(const char *trouble)
{
	if (trouble)
		out(" [%s: %s]", trouble, strerror(errno));
	line[line_len] = '\0';
	if (write(STDOUT_FILENO, line, line_len) != (ssize_t)line_len)
		exit(3);
	exit(0);
}

socklen_t
loopback(struct sockaddr_storage *ss, uint16_t port)
{
	memset(ss, 0, sizeof(*ss));
	ss->ss_family = (sa_family_t)family;
	if (family == AF_INET6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

		in6->sin6_addr = in6addr_loopback;
		in6->sin6_port = htons(port);
		return sizeof(*in6);
	}
	struct sockaddr_in *in = (struct sockaddr_in *)ss;

	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in->sin_port = htons(port);
	return sizeof(*in);
}

uint16_t
port_of(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0)
		finish("getsockname");
	return ntohs(family == AF_INET6 ? ((struct sockaddr_in6 *)&ss)->sin6_port : ((struct sockaddr_in *)&ss)->sin_port);
}

int
tcp_socket(void)
{
	int fd = socket(family, SOCK_STREAM, 0);

	if (fd < 0)
		finish("socket");
	return fd;
}

int
tcp_listener(int backlog)
{
	struct sockaddr_storage ss;
	int fd = tcp_socket();

	if (bind(fd, (struct sockaddr *)&ss, loopback(&ss, 0)) != 0)
		finish("bind");
	if (listen(fd, backlog) != 0)
		finish("listen");
	return fd;
}

int
connect_to(int fd, uint16_t port)
{
	struct sockaddr_storage ss;
	socklen_t len = loopback(&ss, port);

	return connect(fd, (struct sockaddr *)&ss, len);
}

void
make_pair(struct pair *p)
{
	p->listener = tcp_listener(16);
	p->client = tcp_socket();
	if (connect_to(p->client, port_of(p->listener)) != 0)
		finish("connect");
	p->server = accept(p->listener, NULL, NULL);
	if (p->server < 0)
		finish("accept");
}

void
set_nonblock(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static short
poll_for(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLPRI | POLLOUT | POLLRDHUP };

	poll(&p, 1, ms);
	return p.revents;
}

short
events_now(int fd)
{
	return poll_for(fd, 0);
}

void
settle(void)
{
	struct timespec ts = { 0, 50000000 };

	nanosleep(&ts, NULL);
}

short
events_until(int fd, short wanted)
{
	struct timespec ts = { 0, 2000000 };

	for (int i = 0; i < 1000 && (events_now(fd) & wanted) != wanted; i++)
		nanosleep(&ts, NULL);
	/* What belongs together may come in two steps, of which a reader on the other core can see the first alone. */
	nanosleep(&ts, NULL);
	return events_now(fd);
}

short
events_later(int fd)
{
	settle();
	return events_now(fd);
}

static unsigned char
pattern_at(size_t i)
{
	return (unsigned char)(i * 7 + i / 251);
}

long
write_pattern(int fd, size_t n)
{
	unsigned char buf[4096];
	size_t done = 0;

	while (done < n) {
		size_t part = n - done < sizeof(buf) ? n - done : sizeof(buf);
		ssize_t w;

		for (size_t i = 0; i < part; i++)
			buf[i] = pattern_at(done + i);
		w = send(fd, buf, part, MSG_NOSIGNAL);
		if (w < 0)
			return -1;
		done += (size_t)w;
	}
	return (long)done;
}

long
read_pattern(int fd, size_t n)
{
	unsigned char buf[4096];
	size_t done = 0;

	while (done < n) {
		ssize_t r = read(fd, buf, n - done < sizeof(buf) ? n - done : sizeof(buf));

		if (r < 0)
			return -1;
		if (r == 0)
			break;
		for (ssize_t i = 0; i < r; i++) {
			if (buf[i] != pattern_at(done + (size_t)i)) {
				out(" corrupt@%zu", done + (size_t)i);
				return -2;
			}
		}
		done += (size_t)r;
	}
	return (long)done;
}

static char scratch[1 << 16];

long
fill(int fd)
{
	long total = 0;
	ssize_t n;

	/* On a busy machine what carries the connection may have to wait for its turn. */
	for (int quiet = 0; quiet < 12;) {
		n = send(fd, scratch, sizeof(scratch), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n <= 0) {
			quiet++;
			usleep(50000);
		} else {
			total += n;
			quiet = 0;
		}
	}
	return total;
}

long
drain(int fd)
{
	long total = 0;
	ssize_t n;

	for (int quiet = 0; quiet < 10;) {
		n = recv(fd, scratch, sizeof(scratch), MSG_DONTWAIT);
		if (n == 0)
			break;
		if (n < 0) {
			quiet++;
			usleep(10000);
		} else {
			total += n;
			quiet = 0;
		}
	}
	return total;
}

static void
count_signal(int sig)
{
	signals_seen++;
}

void
count_signals(int sig, int flags)
{
	struct sigaction sa = { .sa_handler = count_signal, .sa_flags = flags };

	signals_seen = 0;
	sigaction(sig, &sa, NULL);
}

static void
run_here(const struct probe *p)
{
	line_len = 0;
	out("%s:", p->name);
	p->run();
	finish(NULL);
}

/* A probe that runs in a child: what it prints comes through the pipe. */
struct run {
	const struct probe *probe;
	pid_t pid;
	int from;
};

static void
isolate(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	if (unshare(CLONE_NEWNET) != 0)
		return;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) != 0)
		exit(3);
	close(fd);
}

static struct run
start(const struct probe *p)
{
	struct run r = { .probe = p };
	int fd[2];

	if (pipe2(fd, O_CLOEXEC) != 0)
		exit(3);
	fflush(stdout);
	r.pid = fork();
	if (r.pid == 0) {
		dup2(fd[1], STDOUT_FILENO);
		close_range(STDERR_FILENO + 1, ~0U, 0);
		isolate();
		alarm(PROBE_SECONDS);
		run_here(p);
	}
	close(fd[1]);
	r.from = fd[0];
	return r;
}

static void
report(const struct run *r)
{
	char buf[sizeof(line) + 1];
	size_t len = 0;
	ssize_t n;
	int status;

	while (len < sizeof(buf) - 1 && (n = read(r->from, buf + len, sizeof(buf) - 1 - len)) > 0)
		len += (size_t)n;
	buf[len] = '\0';
	close(r->from);
	waitpid(r->pid, &status, 0);
	if (len == 0)
		printf("%s:", r->probe->name);
	fputs(buf, stdout);
	if (WIFSIGNALED(status))
		printf(" killed by SIG%s", sigabbrev_np(WTERMSIG(status)));
	else if (WEXITSTATUS(status) != 0)
		printf(" exit %d", WEXITSTATUS(status));
	putchar('\n');
}

static bool
selected(const struct probe *p, char **globs)
{
	if (*globs == NULL)
		return true;
	for (; *globs != NULL; globs++) {
		if (fnmatch(*globs, p->name, 0) == 0)
			return true;
	}
	return false;
}

/* Reports in the order of the list whatever ends first. */
static void
run_all(char **globs, size_t at_a_time)
{
	struct run runs[RUNS_MAX];
	size_t first = 0, next = 0;

	for (struct probe *p = probes; p != NULL; p = p->next) {
		if (!selected(p, globs))
			continue;
		if (next - first == at_a_time)
			report(&runs[first++ % RUNS_MAX]);
		runs[next++ % RUNS_MAX] = start(p);
	}
	while (first != next)
		report(&runs[first++ % RUNS_MAX]);
}

static void
list(void)
{
	for (struct probe *p = probes; p != NULL; p = p->next)
		puts(p->name);
}

int
main(int argc, char **argv)
{
	size_t at_a_time = 1;
	bool here = false;
	int c;

	while ((c = getopt(argc, argv, "+j:lx")) != -1) {
		if (c == 'l') {
			list();
			return 0;
		}
		if (c == 'x')
			here = true;
		if (c == 'j')
			at_a_time = strtoul(optarg, NULL, 10);
		if (c == '?')
			return 2;
	}
	argv += optind;
	if (*argv == NULL || (strcmp(*argv, "4") != 0 && strcmp(*argv, "6") != 0) || at_a_time < 1 || at_a_time > RUNS_MAX) {
		fputs("usage: probe [-x] [-j 1-64] 4|6 [GLOB...] | probe -l\n", stderr);
		return 2;
	}
	family = **argv == '6' ? AF_INET6 : AF_INET;
	for (struct probe *p = probes; here && p != NULL; p = p->next) {
		if (selected(p, argv + 1))
			run_here(p);
	}
	run_all(argv + 1, at_a_time);
	return 0;
}
