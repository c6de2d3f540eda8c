/* bench_tcp: the workloads of scripts/bench as an ordinary TCP server and client that know nothing of KCP.
 *
 * A connection begins with one byte that names its workload: 'b' the server sends without end, 'e' it echoes, 'c' it
 * answers one byte and closes. The client prints its measurements as one line of JSON.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 65536
#define SAMPLES_MAX 200000

static uint8_t pattern[2 * BLOCK];

static double
now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void __attribute__((noreturn))
die(const char *what)
{
	fprintf(stderr, "bench_tcp: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The second half repeats the first, so that any stretch of the endless stream is contiguous here. */
static void
fill_pattern(void)
{
	uint32_t x = 1;

	for (size_t i = 0; i < BLOCK; i++) {
		x = x * 1664525u + 1013904223u;
		pattern[i] = pattern[i + BLOCK] = (uint8_t)(x >> 24);
	}
}

static int
open_socket(const char *host, const char *port, bool server)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *ai;
	int one = 1, fd;

	if (getaddrinfo(host, port, &hints, &ai) != 0)
		die(host);
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	if (server) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 || listen(fd, 1024) != 0)
			die("listen");
	} else if (connect(fd, ai->ai_addr, ai->ai_addrlen) != 0) {
		die("connect");
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	freeaddrinfo(ai);
	return fd;
}

static int
write_all(int fd, const void *data, size_t len)
{
	const uint8_t *at = data;

	while (len > 0) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n < 0)
			return -1;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static void *
serve_one(void *arg)
{
	int fd = (int)(intptr_t)arg;
	uint8_t workload, buffer[BLOCK];
	ssize_t n;

	if (recv(fd, &workload, 1, 0) == 1) {
		switch (workload) {
		case 'b':
			while (write_all(fd, pattern, BLOCK) == 0)
				;
			break;
		case 'e':
			while ((n = recv(fd, buffer, sizeof(buffer), 0)) > 0)
				if (write_all(fd, buffer, (size_t)n) != 0)
					break;
			break;
		case 'c':
			(void)write_all(fd, &workload, 1);
			break;
		}
	}
	close(fd);
	return NULL;
}

static void __attribute__((noreturn))
serve(const char *host, const char *port)
{
	int listener = open_socket(host, port, true);

	for (;;) {
		int one = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		pthread_t thread;

		if (fd < 0)
			continue;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)fd) != 0)
			close(fd);
		else
			pthread_detach(thread);
	}
}

/* Reads for `seconds`; the tail is the second half of that time. */
static void
bulk(const char *host, const char *port, double seconds)
{
	int fd = open_socket(host, port, false);
	uint8_t buffer[BLOCK];
	uint64_t total = 0, half = 0;
	double start = now_s(), at = start, half_at = start;

	if (write_all(fd, "b", 1) != 0)
		die("send");
	while (at < start + seconds) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (poll(&p, 1, (int)((start + seconds - at) * 1e3) + 1) > 0) {
			n = recv(fd, buffer, sizeof(buffer), 0);
			if (n <= 0)
				die("recv");
			if (memcmp(buffer, pattern + total % BLOCK, (size_t)n) != 0) {
				fprintf(stderr, "bench_tcp: wrong data behind byte %" PRIu64 "\n", total);
				exit(1);
			}
			total += (uint64_t)n;
		}
		at = now_s();
		if (at < start + seconds / 2) {
			half = total;
			half_at = at;
		}
	}
	printf("{\"bytes\": %" PRIu64 ", \"seconds\": %.4f, \"mbit\": %.4f, \"tail_mbit\": %.4f}\n", total, at - start,
		(double)total * 8e-6 / (at - start), (double)(total - half) * 8e-6 / (at - half_at));
}

static int
compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
print_latencies(double *samples, size_t count, size_t asked, uint64_t bytes)
{
	static const double quantiles[] = {0.5, 0.9, 0.99, 0.999};
	static const char *const names[] = {"p50", "p90", "p99", "p999"};

	qsort(samples, count, sizeof(*samples), compare_doubles);
	printf("{\"count\": %zu, \"asked\": %zu, \"bytes\": %" PRIu64, count, asked, bytes);
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]) && count > 0; i++)
		printf(", \"%s_ms\": %.4f", names[i], samples[(size_t)(quantiles[i] * (double)(count - 1) + 0.5)] * 1e3);
	if (count > 0)
		printf(", \"max_ms\": %.4f", samples[count - 1] * 1e3);
	printf("}\n");
}

/* Open loop: a message each `interval`, whether or not the last one is back; latency counts from when it was due. */
static void
request_response(const char *host, const char *port, size_t count, double interval, size_t size)
{
	static double samples[SAMPLES_MAX];
	int fd = open_socket(host, port, false);
	uint8_t buffer[BLOCK];
	size_t sent = 0, received = 0;
	uint64_t received_bytes = 0;
	double start;

	if (count > SAMPLES_MAX || size > BLOCK || size == 0) {
		errno = EINVAL;
		die("arguments");
	}
	if (write_all(fd, "e", 1) != 0)
		die("send");
	start = now_s();
	while (received < count) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		double now = now_s(), due = start + (double)sent * interval;
		struct timespec wait = {1, 0};

		if (sent < count && now >= due) {
			if (write_all(fd, pattern + sent * size % BLOCK, size) != 0)
				die("send");
			sent++;
			continue;
		}
		if (sent == count && now > due + 20)
			break;
		if (sent < count) {
			wait.tv_sec = (time_t)(due - now);
			wait.tv_nsec = (long)((due - now - (double)wait.tv_sec) * 1e9);
		}
		if (ppoll(&p, 1, &wait, NULL) > 0) {
			ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

			if (n <= 0)
				die("recv");
			received_bytes += (uint64_t)n;
			now = now_s();
			for (; received < count && (received + 1) * size <= received_bytes; received++)
				samples[received] = now - (start + (double)received * interval);
		}
	}
	print_latencies(samples, received, count, 2 * received_bytes);
}

/* One connection after the other: from socket() to the server's first byte. */
static void
connections(const char *host, const char *port, size_t count)
{
	static double samples[SAMPLES_MAX];

	for (size_t i = 0; i < count && i < SAMPLES_MAX; i++) {
		double start = now_s();
		int fd = open_socket(host, port, false);
		uint8_t byte;

		samples[i] = now_s() - start;
		if (write_all(fd, "c", 1) != 0 || recv(fd, &byte, 1, 0) != 1)
			die("exchange");
		close(fd);
	}
	print_latencies(samples, count, count, 2 * count);
}

int
main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	fill_pattern();
	if (argc == 4 && strcmp(argv[1], "serve") == 0)
		serve(argv[2], argv[3]);
	else if (argc == 5 && strcmp(argv[1], "bulk") == 0)
		bulk(argv[2], argv[3], atof(argv[4]));
	else if (argc == 7 && strcmp(argv[1], "rr") == 0)
		request_response(argv[2], argv[3], (size_t)atol(argv[4]), atof(argv[5]) / 1e3, (size_t)atol(argv[6]));
	else if (argc == 5 && strcmp(argv[1], "connect") == 0)
		connections(argv[2], argv[3], (size_t)atol(argv[4]));
	else {
		fprintf(stderr, "usage: bench_tcp serve ADDRESS PORT\n"
			"       bench_tcp bulk ADDRESS PORT SECONDS\n"
			"       bench_tcp rr ADDRESS PORT MESSAGES INTERVAL_MS BYTES\n"
			"       bench_tcp connect ADDRESS PORT COUNT\n");
		return 2;
	}
	return 0;
}
