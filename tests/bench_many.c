/* bench_many: many connections of one process, and how fast they are set up. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench_tcp.h"

#define EVENTS 512
#define BLOCK 65536
#define TICK_S 0.01
#define UNDER_WAY 200       /* connections being opened at once by bench_many */

static void
allow_descriptors(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0)
		return;
	r.rlim_cur = r.rlim_max = r.rlim_max > 65536 ? r.rlim_max : 65536;
	(void)setrlimit(RLIMIT_NOFILE, &r);
}

/* Resident memory, KiB. */
static long
resident(void)
{
	char line[256];
	long kib = 0;
	FILE *f = fopen("/proc/self/status", "re");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "VmRSS: %ld", &kib) == 1)
			break;
	if (f != NULL)
		fclose(f);
	return kib;
}

static double
cpu_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void
bench_sink(const char *host, const char *port)
{
	struct epoll_event events[EVENTS];
	static uint8_t buffer[BLOCK];
	int listener, epoll = epoll_create1(EPOLL_CLOEXEC);

	allow_descriptors();
	listener = bench_socket(host, port, true, false);
	events[0] = (struct epoll_event){.events = EPOLLIN, .data.fd = listener};
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &events[0]) != 0)
		bench_die("epoll");
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (fd == listener) {
				struct epoll_event e = {.events = EPOLLIN};

				e.data.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
				if (e.data.fd >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, e.data.fd, &e) != 0)
					close(e.data.fd);
			} else {
				ssize_t r = recv(fd, buffer, sizeof(buffer), 0);

				/* One byte asks for one: the connection was opened to see how long that takes. */
				if (r == 1)
					(void)send(fd, buffer, 1, MSG_NOSIGNAL);
				else if (r == 0 || (r < 0 && errno != EAGAIN))
					close(fd);
			}
		}
	}
}

static int
wait_connected(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	socklen_t len = sizeof(errno);
	int error = 0;

	if (poll(&p, 1, 30000) != 1)
		return ETIMEDOUT;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? error : errno;
}

static int *
open_many(const char *host, const char *port, size_t count)
{
	int *fds = calloc(count, sizeof(*fds));
	size_t opened = 0;

	if (fds == NULL)
		bench_die("memory");
	for (size_t i = 0; i < count; i++) {
		fds[i] = bench_socket(host, port, false, true);
		for (; opened + UNDER_WAY <= i; opened++)
			if ((errno = wait_connected(fds[opened])) != 0)
				bench_die("connect");
	}
	for (; opened < count; opened++)
		if ((errno = wait_connected(fds[opened])) != 0)
			bench_die("connect");
	return fds;
}

void
bench_many(const char *host, const char *port, size_t count, double seconds, size_t size)
{
	static uint8_t message[BLOCK];
	long before, after;
	uint64_t sent = 0, refused = 0;
	double start, cpu;
	int *fds;

	allow_descriptors();
	before = resident();
	fds = open_many(host, port, count);
	/* What opening needed is given back a few seconds later. */
	sleep(6);
	after = resident();
	start = bench_now();
	cpu = cpu_time();
	while (bench_now() < start + seconds) {
		struct timespec tick = {0, (long)(TICK_S * 1e9)};
		uint64_t due = (uint64_t)((bench_now() - start) * (double)count);

		for (; sent < due; sent++)
			if (send(fds[sent % count], message, size, MSG_NOSIGNAL) != (ssize_t)size)
				refused++;
		nanosleep(&tick, NULL);
	}
	printf("{\"connections\": %zu, \"sent\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"rss_before_kib\": %ld, \"rss_after_kib\": %ld,"
		" \"rss_busy_kib\": %ld, \"cpu_s\": %.4f, \"seconds\": %.4f}\n",
		count, sent, refused, before, after, resident(), cpu_time() - cpu, bench_now() - start);
	free(fds);
}

struct attempt {
	double start;
	int fd;
	bool asked;
};

/* Writable: asks; readable: the answer is here and the connection over. True when it is. */
static bool
go_on(struct attempt *a, short events, double *took)
{
	uint8_t byte = 'x';

	if (!a->asked && (events & (POLLOUT | POLLERR | POLLHUP))) {
		if (send(a->fd, &byte, 1, MSG_NOSIGNAL) != 1)
			bench_die("connect");
		a->asked = true;
		*took = bench_now() - a->start;
		return false;
	}
	if (a->asked && (events & POLLIN) && recv(a->fd, &byte, 1, 0) != 1)
		bench_die("exchange");
	return a->asked && (events & POLLIN) != 0;
}

void
bench_setup(const char *host, const char *port, size_t count, size_t parallel)
{
	double *samples = calloc(count, sizeof(*samples)), start;
	struct attempt *a = calloc(parallel, sizeof(*a));
	struct pollfd *p = calloc(parallel, sizeof(*p));
	size_t begun = 0, done = 0, sampled = 0;

	allow_descriptors();
	if (samples == NULL || a == NULL || p == NULL)
		bench_die("memory");
	for (size_t i = 0; i < parallel; i++)
		a[i].fd = p[i].fd = -1;
	start = bench_now();
	while (done < count) {
		for (size_t i = 0; i < parallel; i++) {
			if (a[i].fd < 0 && begun < count) {
				a[i] = (struct attempt){.start = bench_now()};
				a[i].fd = p[i].fd = bench_socket(host, port, false, true);
				begun++;
			}
			p[i].events = a[i].asked ? POLLIN : POLLOUT;
		}
		if (poll(p, parallel, 30000) <= 0)
			bench_die("poll");
		for (size_t i = 0; i < parallel; i++) {
			bool asked = a[i].asked;
			double took = 0;
			bool over;

			if (a[i].fd < 0 || p[i].revents == 0)
				continue;
			over = go_on(&a[i], p[i].revents, &took);
			if (!asked && a[i].asked)
				samples[sampled++] = took;
			if (over) {
				close(a[i].fd);
				a[i].fd = p[i].fd = -1;
				done++;
			}
		}
	}
	bench_print_latencies(samples, sampled, count);
	printf(", \"parallel\": %zu, \"per_second\": %.2f, \"cpu_s\": %.4f}\n", parallel, (double)count / (bench_now() - start), cpu_time());
	free(samples);
	free(a);
	free(p);
}
