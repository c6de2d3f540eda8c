/* probe: one small behaviour of a TCP socket each, printed as text, to compare what carries the connection. */
#ifndef PROBE_H
#define PROBE_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct probe {
	const char *name;
	void (*run)(void);
	struct probe *next;
};

/* Defines a probe; its name is "group.name". */
#define PROBE(group, what) \
	static void group##_##what(void); \
	static struct probe probe_##group##_##what = { #group "." #what, group##_##what, NULL }; \
	__attribute__((constructor)) static void add_##group##_##what(void) { probe_add(&probe_##group##_##what); } \
	static void group##_##what(void)

void probe_add(struct probe *);

/* AF_INET or AF_INET6: the family that this run probes. */
extern int family;

/* Appends to the line of this probe. */
void out(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* " label=0", " label=7" or " label=ECONNRESET" for a call that returned `rc`. */
void out_rc(const char *label, long rc);
/* " label=IN|OUT": bits of poll(2). */
void out_events(const char *label, short revents);

/* The loopback address of `family`, port in host order. */
socklen_t loopback(struct sockaddr_storage *, uint16_t port);
uint16_t port_of(int fd);
/* A TCP socket; a listener on a free port; ends the probe when that fails. */
int tcp_socket(void);
int tcp_listener(int backlog);
/* connect() to a listener's port. */
int connect_to(int fd, uint16_t port);

struct pair { int listener, client, server; };
/* A connected pair. */
void make_pair(struct pair *);
void set_nonblock(int fd);

/* poll(2) at once, and until all of `wanted` is there or two seconds are over. */
short events_now(int fd);
short events_until(int fd, short wanted);
/* Waits 50 ms for events that must not come. */
short events_later(int fd);
/* Sleeps so long that whatever was sent over loopback has arrived. */
void settle(void);

/* Writes n bytes of a pattern, all of them. Reads until n bytes or EOF; the count, or -1. */
long write_pattern(int fd, size_t n);
long read_pattern(int fd, size_t n);
/* Writes until nothing more fits for a while; reads until nothing more comes for a while. Bytes. */
long fill(int fd);
long drain(int fd);
/* Counts signals of this number from now on. */
void count_signals(int sig, int flags);
extern volatile sig_atomic_t signals_seen;

#endif
