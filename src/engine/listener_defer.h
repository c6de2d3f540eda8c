/* listener_defer: connections that are not, or were not, accepted.
 *
 * TCP_DEFER_ACCEPT holds a connection back until its client has sent something, or the time is over (tcp(7)). A listener that is
 * closed resets those in its queue; what is closed with them looks like connections whose program closed them.
 */
#ifndef KCPSHIM_LISTENER_DEFER_H
#define KCPSHIM_LISTENER_DEFER_H

#include <stdbool.h>
#include <stdint.h>

struct conn;
struct listener;
struct loop;
struct session;

/* Whether a session that nobody owns, with these events (enum session_event), may be handed out now. */
bool listener_defer_over(struct loop *, const struct session *, unsigned events);
/* When a held back session is to be looked at again; KCP_NEVER when there is none. */
uint64_t listener_defer_deadline(const struct loop *);
/* Hands out those whose time is over. */
void listener_defer_timers(struct loop *);
/* The program closed the listener with connections in its queue: which ones shows when they end, in a moment. */
void listener_forsake(struct loop *, const struct listener *);
/* Whether a connection that has just been closed was one of these: nobody ever wrote to it. */
bool listener_forsaken(const struct loop *, const struct conn *);

#endif
