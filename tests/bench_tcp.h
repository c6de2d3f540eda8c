/* bench_tcp: what the workloads of scripts/bench share. */
#ifndef KCPSHIM_TESTS_BENCH_TCP_H
#define KCPSHIM_TESTS_BENCH_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* CLOCK_MONOTONIC, seconds. */
double bench_now(void);
/* Ends the program with errno's text. */
void bench_die(const char *what) __attribute__((noreturn));
/* A listening socket, or a connected one (nonblock: one that is connecting). */
int bench_socket(const char *host, const char *port, bool server, bool nonblock);
/* JSON: count, quantiles and the distribution of seconds, sorted in place; the object is left open. */
void bench_print_latencies(double *samples, size_t count, size_t asked);

/* `count` connections of one process, each sends `size` bytes a second for `seconds`. */
void bench_many(const char *host, const char *port, size_t count, double seconds, size_t size);
/* The other end: one thread, reads whatever comes. */
void bench_sink(const char *host, const char *port) __attribute__((noreturn));
/* `count` connections, `parallel` of them under way at once. */
void bench_setup(const char *host, const char *port, size_t count, size_t parallel);
/* Round trips of `size` bytes through the least that a user-space transport is made of: pair, thread, UDP, thread, pair. */
void bench_relay(double seconds, size_t size);

#endif
