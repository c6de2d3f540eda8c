/* shim: what every interposed call asks first: are there rules, may a descriptor be ours, is this one? */
#ifndef KCPSHIM_PRELOAD_SHIM_H
#define KCPSHIM_PRELOAD_SHIM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/config.h"
#include "engine/ident.h"

struct shim {
	struct config config;      /* inactive until the constructor has run */
	atomic_bool may_hold_ours; /* sticky: false means that no descriptor of this process can be ours */
	atomic_bool may_listen;    /* sticky: a listener of ours may be among them */
	atomic_bool may_linger;    /* sticky: SO_LINGER was switched on on some socket */
	atomic_int engine_owner;   /* pid of the process whose thread the engine is, 0: none */
};

extern struct shim shim;

/* False: nothing is ours and nothing needs to be asked. Costs one load. */
static inline bool
shim_hint(void)
{
	return __builtin_expect(atomic_load_explicit(&shim.may_hold_ours, memory_order_relaxed), 0);
}

/* The descriptor itself tells whether it is ours, and who it is. One system call; errno is kept; async-signal-safe. */
bool shim_ident(int fd, struct ident *);

/* As shim_ident, but without a system call while nothing can be ours. */
static inline bool
shim_ours(int fd, struct ident *id)
{
	return shim_hint() && shim_ident(fd, id);
}

/* As shim_ours, for listeners only. */
static inline bool
shim_our_listener(int fd, struct ident *id)
{
	return shim_hint() && atomic_load_explicit(&shim.may_listen, memory_order_relaxed) && shim_ident(fd, id) &&
	    id->role == IDENT_LISTENER;
}

/* A descriptor of ours came into this process. */
void shim_note(const struct ident *);

/* The engine for what is to listen on, or connect to, `a`; starts it if need be. 0 and *id, or a positive errno. */
int shim_engine(enum rules_role, const struct netaddr *a, uint64_t *id);
/* The process is about to end or to become another program: an engine that lives in it moves out first.
 * Returns when it has. Does nothing in other processes (forked, vforked). */
void shim_leave(void);

/* Copies an address out as the kernel does (truncated, *len tells the full length). 0, or a positive errno. */
int shim_copy_address(const struct netaddr *, int domain, struct sockaddr *to, socklen_t *len);

#endif
