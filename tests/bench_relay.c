/* bench_relay: the least that a user-space transport costs: program - pair - thread - UDP - thread - pair - program. */
#include "config.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_tcp.h"

#define SAMPLES 1000000

struct relay {
	int pair, udp;
};

static void *
relay_run(void *arg)
{
	struct relay *r = arg;
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event e = {.events = EPOLLIN};
	uint8_t buffer[2048];

	e.data.fd = r->pair;
	epoll_ctl(epoll, EPOLL_CTL_ADD, r->pair, &e);
	e.data.fd = r->udp;
	epoll_ctl(epoll, EPOLL_CTL_ADD, r->udp, &e);
	for (;;) {
		ssize_t n;

		if (epoll_wait(epoll, &e, 1, -1) < 1)
			continue;
		n = recv(e.data.fd, buffer, sizeof(buffer), 0);
		if (n <= 0)
			return NULL;
		(void)send(e.data.fd == r->pair ? r->udp : r->pair, buffer, (size_t)n, MSG_NOSIGNAL);
	}
}

/* Returns the program's end. */
static int
relay_start(struct relay *r, int udp)
{
	pthread_t thread;
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) != 0)
		bench_die("socketpair");
	*r = (struct relay){sv[0], udp};
	if (pthread_create(&thread, NULL, relay_run, r) != 0)
		bench_die("thread");
	return sv[1];
}

static void
udp_pair(int fd[2])
{
	struct sockaddr_in a[2];
	socklen_t len = sizeof(a[0]);

	for (int i = 0; i < 2; i++) {
		a[i] = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		fd[i] = socket(AF_INET, SOCK_DGRAM, 0);
		if (fd[i] < 0 || bind(fd[i], (struct sockaddr *)&a[i], len) != 0 || getsockname(fd[i], (struct sockaddr *)&a[i], &len) != 0)
			bench_die("socket");
	}
	for (int i = 0; i < 2; i++)
		if (connect(fd[i], (struct sockaddr *)&a[1 - i], len) != 0)
			bench_die("connect");
}

void
bench_relay(double seconds, size_t size)
{
	double *samples = calloc(SAMPLES, sizeof(*samples)), start;
	uint8_t buffer[2048] = {0};
	struct relay r;
	size_t n = 0;
	int udp[2], fd;
	pid_t child;

	if (samples == NULL || size > sizeof(buffer))
		bench_die("memory");
	udp_pair(udp);
	child = fork();
	if (child < 0)
		bench_die("fork");
	fd = relay_start(&r, udp[child == 0]);
	if (child == 0)
		for (;;) {
			ssize_t got = recv(fd, buffer, sizeof(buffer), 0);

			if (got <= 0 || send(fd, buffer, (size_t)got, 0) != got)
				_exit(1);
		}
	for (start = bench_now(); n < SAMPLES && bench_now() < start + seconds; n++) {
		double at = bench_now();

		if (send(fd, buffer, size, 0) != (ssize_t)size || recv(fd, buffer, size, MSG_WAITALL) != (ssize_t)size)
			bench_die("exchange");
		samples[n] = bench_now() - at;
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	bench_print_latencies(samples, n, n);
	printf("}\n");
	free(samples);
}
