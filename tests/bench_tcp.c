/* bench_tcp: the workloads of scripts/bench as an ordinary TCP server and client that know nothing of KCP.
 *
 * A connection begins with one byte that names its workload: 'b' the server sends blocks until it is told 's', and one more whose
 * first byte is the complement of the others' (not every transport knows an end of stream); 'e' it echoes.
 * The client prints its measurements as one line of JSON.
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

#include "bench_tcp.h"

#define BLOCK 65536
#define SAMPLES_MAX 200000
#define SERIES_MAX 2000
#define SLICE_S 0.1
#define CDF_POINTS 201
#define DRAIN_S 5.0   /* for what was under way when the time of a bulk run was over */

static uint8_t pattern[2 * BLOCK];

double
bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void
bench_die(const char *what)
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

int
bench_socket(const char *host, const char *port, bool server, bool nonblock)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *ai;
	int one = 1, fd;

	if (getaddrinfo(host, port, &hints, &ai) != 0)
		bench_die(host);
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | (nonblock ? SOCK_NONBLOCK : 0), 0);
	if (fd < 0)
		bench_die("socket");
	if (server) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 || listen(fd, 4096) != 0)
			bench_die("listen");
	} else if (connect(fd, ai->ai_addr, ai->ai_addrlen) != 0 && !(nonblock && errno == EINPROGRESS)) {
		bench_die("connect");
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

static void
serve_bulk(int fd)
{
	uint8_t block[BLOCK], told;
	bool stop = false;

	memcpy(block, pattern, BLOCK);
	while (!stop) {
		stop = recv(fd, &told, 1, MSG_DONTWAIT) == 1;
		if (stop)
			block[0] ^= 0xff;
		if (write_all(fd, block, BLOCK) != 0)
			return;
	}
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
			serve_bulk(fd);
			break;
		case 'e':
			while ((n = recv(fd, buffer, sizeof(buffer), 0)) > 0)
				if (write_all(fd, buffer, (size_t)n) != 0)
					break;
			break;
		}
	}
	close(fd);
	return NULL;
}

static void __attribute__((noreturn))
serve(const char *host, const char *port)
{
	int listener = bench_socket(host, port, true, false);

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

struct stream {
	int fd;
	uint64_t total;
	bool last;   /* its last block has begun */
};

static bool
stream_over(const struct stream *s)
{
	return s->last && s->total % BLOCK == 0;
}

/* Reads and checks what has come until `until`; how much. */
static size_t
stream_read(struct stream *s, double until)
{
	struct pollfd p = {.fd = s->fd, .events = POLLIN};
	uint8_t buffer[BLOCK];
	double left = until - bench_now();
	size_t begins = (BLOCK - s->total % BLOCK) % BLOCK;   /* of the next block, in the buffer */
	ssize_t n;

	if (left < 0 || poll(&p, 1, (int)(left * 1e3) + 1) <= 0)
		return 0;
	n = recv(s->fd, buffer, sizeof(buffer), 0);
	if (n <= 0)
		bench_die("recv");
	if (begins < (size_t)n && (buffer[begins] ^ pattern[0]) == 0xff) {
		s->last = true;
		buffer[begins] = pattern[0];
	}
	if (memcmp(buffer, pattern + s->total % BLOCK, (size_t)n) != 0) {
		fprintf(stderr, "bench_tcp: wrong data behind byte %" PRIu64 "\n", s->total);
		exit(1);
	}
	s->total += (uint64_t)n;
	return (size_t)n;
}

/* Reads for `seconds`, of which the tail is the second half; then what is still under way, so that whoever counts the bytes on
 * the wire can compare them with all that arrived. */
static void
bulk(const char *host, const char *port, double seconds)
{
	static double series[SERIES_MAX];
	struct stream s = {.fd = bench_socket(host, port, false, false)};
	double start = bench_now(), at = start, half_at = start;
	uint64_t total, half = 0;

	if (write_all(s.fd, "b", 1) != 0)
		bench_die("send");
	while (at < start + seconds) {
		size_t slice = (size_t)((at - start) / SLICE_S);

		series[slice < SERIES_MAX ? slice : SERIES_MAX - 1] += (double)stream_read(&s, start + seconds) * 8e-6 / SLICE_S;
		at = bench_now();
		if (at < start + seconds / 2) {
			half = s.total;
			half_at = at;
		}
	}
	total = s.total;
	if (write_all(s.fd, "s", 1) != 0)
		bench_die("send");
	while (!stream_over(&s) && bench_now() < at + DRAIN_S)
		stream_read(&s, at + DRAIN_S);
	printf("{\"bytes\": %" PRIu64 ", \"all_bytes\": %" PRIu64 ", \"drained\": %s, \"seconds\": %.4f, \"mbit\": %.4f, \"tail_mbit\": %.4f, "
		"\"series\": [", total, s.total, stream_over(&s) ? "true" : "false", at - start, (double)total * 8e-6 / (at - start),
		(double)(total - half) * 8e-6 / (at - half_at));
	for (size_t i = 0; i < (size_t)(seconds / SLICE_S) && i < SERIES_MAX; i++)
		printf("%s%.3f", i > 0 ? ", " : "", series[i]);
	printf("]}\n");
}

static int
compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void
bench_print_latencies(double *samples, size_t count, size_t asked)
{
	static const double quantiles[] = {0.5, 0.9, 0.99, 0.999};
	static const char *const names[] = {"p50", "p90", "p99", "p999"};

	qsort(samples, count, sizeof(*samples), compare_doubles);
	printf("{\"count\": %zu, \"asked\": %zu", count, asked);
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]) && count > 0; i++)
		printf(", \"%s_ms\": %.4f", names[i], samples[(size_t)(quantiles[i] * (double)(count - 1) + 0.5)] * 1e3);
	if (count > 0)
		printf(", \"max_ms\": %.4f", samples[count - 1] * 1e3);
	printf(", \"cdf\": [");
	for (size_t i = 0; i < CDF_POINTS && count > 0; i++)
		printf("%s%.4f", i > 0 ? ", " : "", samples[i * (count - 1) / (CDF_POINTS - 1)] * 1e3);
	printf("]");
}

/* Open loop: a message each `interval`, whether or not the last one is back; latency counts from when it was due. */
static void
request_response(const char *host, const char *port, size_t count, double interval, size_t size)
{
	static double samples[SAMPLES_MAX];
	int fd = bench_socket(host, port, false, false);
	uint8_t buffer[BLOCK];
	size_t sent = 0, received = 0;
	uint64_t received_bytes = 0;
	double start;

	if (count > SAMPLES_MAX || size > BLOCK || size == 0) {
		errno = EINVAL;
		bench_die("arguments");
	}
	if (write_all(fd, "e", 1) != 0)
		bench_die("send");
	start = bench_now();
	while (received < count) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		double now = bench_now(), due = start + (double)sent * interval;
		struct timespec wait = {1, 0};

		if (sent < count && now >= due) {
			if (write_all(fd, pattern + sent * size % BLOCK, size) != 0)
				bench_die("send");
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
				bench_die("recv");
			received_bytes += (uint64_t)n;
			now = bench_now();
			for (; received < count && (received + 1) * size <= received_bytes; received++)
				samples[received] = now - (start + (double)received * interval);
		}
	}
	bench_print_latencies(samples, received, count);
	printf("}\n");
}

/* Closed loop: the next message when the last one is back. */
static void
ping_pong(const char *host, const char *port, double seconds, size_t size)
{
	static double samples[SAMPLES_MAX];
	int fd = bench_socket(host, port, false, false);
	uint8_t buffer[BLOCK];
	double start = bench_now();
	size_t n = 0;

	if (size > BLOCK || write_all(fd, "e", 1) != 0)
		bench_die("send");
	while (n < SAMPLES_MAX && bench_now() < start + seconds) {
		double at = bench_now();

		if (write_all(fd, pattern, size) != 0 || recv(fd, buffer, size, MSG_WAITALL) != (ssize_t)size)
			bench_die("exchange");
		samples[n++] = bench_now() - at;
	}
	bench_print_latencies(samples, n, n);
	printf("}\n");
}

static const struct {
	const char *name;
	int argc;
	const char *arguments;
} workloads[] = {
	{"serve", 4, "ADDRESS PORT"},
	{"sink", 4, "ADDRESS PORT"},
	{"bulk", 5, "ADDRESS PORT SECONDS"},
	{"rr", 7, "ADDRESS PORT MESSAGES INTERVAL_MS BYTES"},
	{"pingpong", 6, "ADDRESS PORT SECONDS BYTES"},
	{"setup", 6, "ADDRESS PORT COUNT PARALLEL"},
	{"many", 7, "ADDRESS PORT COUNT SECONDS BYTES"},
	{"relay", 4, "SECONDS BYTES"},
};

int
main(int argc, char **argv)
{
	size_t i, n = sizeof(workloads) / sizeof(workloads[0]);

	signal(SIGPIPE, SIG_IGN);
	fill_pattern();
	for (i = 0; i < n; i++)
		if (argc > 1 && strcmp(argv[1], workloads[i].name) == 0 && argc == workloads[i].argc)
			break;
	switch (i) {
	case 0:
		serve(argv[2], argv[3]);
	case 1:
		bench_sink(argv[2], argv[3]);
	case 2:
		bulk(argv[2], argv[3], atof(argv[4]));
		break;
	case 3:
		request_response(argv[2], argv[3], (size_t)atol(argv[4]), atof(argv[5]) / 1e3, (size_t)atol(argv[6]));
		break;
	case 4:
		ping_pong(argv[2], argv[3], atof(argv[4]), (size_t)atol(argv[5]));
		break;
	case 5:
		bench_setup(argv[2], argv[3], (size_t)atol(argv[4]), (size_t)atol(argv[5]));
		break;
	case 6:
		bench_many(argv[2], argv[3], (size_t)atol(argv[4]), atof(argv[5]), (size_t)atol(argv[6]));
		break;
	case 7:
		bench_relay(atof(argv[2]), (size_t)atol(argv[3]));
		break;
	default:
		for (i = 0; i < n; i++)
			fprintf(stderr, "%s bench_tcp %s %s\n", i == 0 ? "usage:" : "      ", workloads[i].name, workloads[i].arguments);
		return 2;
	}
	return 0;
}
