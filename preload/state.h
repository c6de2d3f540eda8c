/* state: what a connection of ours is doing, asked from the descriptor first and from its engine only when that leaves doubt. */
#ifndef KCPSHIM_PRELOAD_STATE_H
#define KCPSHIM_PRELOAD_STATE_H

#include <stdbool.h>

#include "engine/ctlproto.h"
#include "engine/ident.h"

/* The connection's state; one poll(2) for a connection that is open and writable. errno is kept.
 * When the engine is gone a hung-up descriptor is CTL_ST_CLOSED. */
enum ctl_state state_of(int fd, const struct ident *);

/* A call on fd, which may be no descriptor of ours, failed with errno `error`: the errno that TCP would have given.
 * Takes the pending error, as the failing call does. */
int state_true_error(int fd, int error);

/* SO_ERROR: takes the pending error. Positive errno or 0. */
int state_take_error(int fd, const struct ident *);

#endif
