/* kcpopt: setsockopt() and getsockopt() at level SOL_KCP (include/kcpshim.h). */
#ifndef KCPSHIM_KCPOPT_H
#define KCPSHIM_KCPOPT_H

#include <stddef.h>
#include <stdint.h>

struct conn;
struct loop;
struct options;

/* Applies an option to `c` (NULL: a listener) and remembers it in `o`. 0 or positive errno: EINVAL, ENOPROTOOPT, ENOBUFS. */
int kcpopt_set(struct loop *, struct conn *c, struct options *o, int name, const void *value, size_t len);
/* The setting in force; of a listener or before the connection is open, what was set. *len in: room, out: length.
 * 0 or positive errno: ENOPROTOOPT, ENOTCONN when there is none yet. */
int kcpopt_get(const struct conn *c, const struct options *o, int name, void *value, size_t *len);
/* Applies what was remembered to a connection that just opened. */
void kcpopt_apply(struct loop *, struct conn *);

#endif
