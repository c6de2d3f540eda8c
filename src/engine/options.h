/* options: what setsockopt() said of a connection or listener; kept, given back, inherited by accept(). */
#ifndef KCPSHIM_OPTIONS_H
#define KCPSHIM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct mem;

#define OPTIONS_MAX 64u       /* different options of one socket that are remembered */
#define OPTIONS_LEN_MAX 64u   /* bytes of one value */

struct option {
	int level, name;
	uint32_t len;
	uint8_t value[OPTIONS_LEN_MAX];
};

/* Grows as options are set; empty costs nothing. */
struct options {
	struct option *list;
	unsigned count, cap;
};

void options_dispose(struct mem *, struct options *);
/* What fresh sockets carry, asked for once in OPTIONS_USUAL_US: a program that connects often need not pay for it each time. */
struct options_usual;
#define OPTIONS_USUAL_US UINT64_C(1000000)

/* What a TCP socket of the program carries before connect() or listen(), as far as it differs from a fresh one.
 * *usual: NULL at first; stays with the caller, allocated from `m`. `now`: us. */
int options_read(struct mem *, struct options_usual **usual, struct options *, int tcp_fd, int domain, uint64_t now);
void options_usual_free(struct mem *, struct options_usual *);
/* As the kernel would on a TCP socket (errno for errno), and remembers. 0 or positive errno. */
int options_set(struct mem *, struct options *, int domain, int level, int name, const void *value, size_t len);
/* The remembered value, else that of a fresh TCP socket. *len in: room, out: length. 0 or positive errno. */
int options_get(const struct options *, int domain, int level, int name, void *value, size_t *len);
/* Remembers a value as it is. 0, EINVAL (longer than OPTIONS_LEN_MAX) or ENOBUFS. */
int options_keep(struct mem *, struct options *, int level, int name, const void *value, size_t len);
/* Copies all (accept). */
int options_copy(struct mem *, struct options *to, const struct options *from);
/* An int-valued option that was set, else `otherwise`. */
int options_int(const struct options *, int level, int name, int otherwise);
/* The program's SO_LINGER; false: off. */
bool options_linger(const struct options *, int *seconds);

#endif
