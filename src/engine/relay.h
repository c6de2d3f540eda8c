/* relay: one connection's kernel pair <-> its session, with back-pressure both ways.
 *
 * The engine's end always keeps a byte or some unread (the "stash"): at first one that the pair was made with, later the newest
 * that were already passed on. Closing an AF_UNIX end with unread bytes gives the program ECONNRESET, as TCP's RST does; without
 * the stash a program that never wrote would see an orderly end. It is also what a killed engine leaves behind.
 * Small writes stay in the stash until they are RELAY_STASH_MAX bytes: what is freed shows EPOLLOUT to an edge-triggered program,
 * which TCP does only to one whose buffer was full.
 * A program that set a small SO_SNDBUF goes without it while its newest packet would fill that buffer (see buffers.h).
 */
#ifndef KCPSHIM_RELAY_H
#define KCPSHIM_RELAY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "ctlproto.h"
#include "ident.h"
#include "loop.h"
#include "options.h"
#include "tunnel.h"

struct session;
struct session_config;

struct conn {
	struct source src;          /* the engine's end; fd -1 until the pair exists */
	uint32_t id;
	struct ident ident;
	struct session *session;    /* NULL once it ended and was released, or lost against kernel TCP */
	struct tunnel *tunnel;      /* owned: the other way of an `auto` rule, or NULL */
	struct udp_sock *udp;       /* owned: client's socket; NULL for an accepted one */
	struct ctl_client *waiter;  /* blocking connect() or close() that waits for an answer */
	struct ctl_client *drainer;
	uint64_t drain_deadline;    /* when the drainer gets EWOULDBLOCK, KCP_NEVER: no limit */
	uint64_t ino;               /* inode of the program's end: proof of possession */
	struct options options;
	int error;                  /* positive errno with which it ended, not yet told */
	size_t filler;              /* bytes of filler in front of the program's own */
	bool readable, writable;    /* not all was taken, EAGAIN not met since it was ready */
	size_t stash;               /* so many bytes, already passed on, wait unread */
	size_t stash_run;           /* the packet that the first stashed byte came in is no longer than this */
	size_t run;                 /* bytes read since the queue was last empty but for the stash */
	unsigned sndbuf;            /* the program's SO_SNDBUF where it is a bound, else 0 */
	bool bounded;               /* it was one once */
	bool rdhup, hup;            /* program ended its writing; closed every descriptor */
	bool eof_sent;              /* FIN was shown to the program */
	bool discard;               /* program does not read any more (SHUT_RD): drop what comes */
	bool dirty;
	bool opened, reported;      /* session opened; connect()'s result was told */
	bool aborted;               /* ended with a RST, which may have to be repeated */
	uint8_t reset;              /* closed with SO_LINGER 0: turns left until the RST, behind what may still go */
	uint64_t forsaken_until;    /* its listener was closed with connections in its queue: until then it may be one of them */
	uint64_t keep_idle_us;      /* the rule's keepalive, in force until the program says something itself */
	uint64_t cork_deadline;     /* corked bytes go out then (200 ms as tcp(7)), KCP_NEVER: nothing held */
	LIST_ENTRY(conn) by_id;
	TAILQ_ENTRY(conn) queue;
	bool timed;                 /* in the loop's list of cork and drain limits */
	TAILQ_ENTRY(conn) timer;
};

/* A client's connection: UDP socket like `tcp_fd`, session in CONNECTING. *out is owned by the loop; tcp_fd, too, when it has a
 * tunnel. 0 or positive errno; *out NULL with 0: the rule leaves this one to kernel TCP. */
int relay_connect(struct loop *, int tcp_fd, const struct netaddr *peer, struct conn **out);
/* Makes the pair. The program's end is returned in *app_fd (caller's). `pending`: filled so that it shows no POLLOUT. */
int relay_make_pair(struct loop *, struct conn *, bool pending, int *app_fd);
/* The connection of an accepted session; it has its pair. */
int relay_accept(struct loop *, struct session *, struct listener *, struct conn **out, int *app_fd);
/* Ends the session with a reset and shows the program `error` (ECONNRESET). */
void relay_abort(struct loop *, struct conn *, int error);
/* Nothing is left to do for it but to close its pair, with its error, and to free it. It has no session. */
void relay_over(struct loop *, struct conn *);
/* Forgets a connection that never got a pair (blocking connect given up). */
void relay_drop(struct loop *, struct conn *);

struct conn *relay_find(struct loop *, uint32_t id);
/* Events of a session (endpoint_next_ready). */
void relay_session_ready(struct loop *, struct session *);
/* Moves bytes of every dirty connection once; true when some could not finish for lack of a turn. */
bool relay_pump_dirty(struct loop *);
void relay_mark(struct loop *, struct conn *);
/* Keepalive, user timeout and cork from the options. */
void relay_apply_options(struct loop *, struct conn *);
/* Time of the next cork or drain limit; KCP_NEVER when none. */
uint64_t relay_deadline(const struct loop *);
void relay_timers(struct loop *);
/* TCP_CORK: the partly filled last segment waits, at most 200 ms (tcp(7)). */
void relay_cork(struct loop *, struct conn *, bool on);
/* close() with SO_LINGER waits for `c`: answered when everything is acknowledged, or with EWOULDBLOCK after timeout_ms. */
void relay_drain(struct loop *, struct conn *, struct ctl_client *c, uint32_t timeout_ms);
/* What the program sees: state, pending error, queues. */
void relay_query(struct loop *, const struct conn *, struct ctl_reply *);
int relay_errno(int core_error);

#endif
