/* ctl: requests to an engine, one transient connection each. */
#ifndef KCPSHIM_PRELOAD_CTL_H
#define KCPSHIM_PRELOAD_CTL_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/ctlproto.h"
#include "engine/ident.h"

/* Starts a request; `id` is NULL where the request concerns no connection or listener. */
void ctl_prepare(struct ctl_request *, enum ctl_op, const struct ident *id);

/* Connects to an engine. A descriptor, or -1 with errno. */
int ctl_open(uint64_t engine);
/* Sends a request, with descriptor `fd` unless it is -1. 0, or -1 with errno. */
int ctl_send(int sock, const struct ctl_request *, int fd);
/* Waits for a reply; *fd (may be NULL) receives the descriptor that came with it, or -1, close-on-exec.
 * 0, or -1 with errno; EINTR and SO_RCVTIMEO's EAGAIN come as the kernel gives them. A cancellation point. */
int ctl_receive(int sock, struct ctl_reply *, int *fd);

/* One short exchange: neither a cancellation point nor interrupted by signals, at most a few seconds long.
 * 0: the engine answered (rep->error may still be an errno). -1: it cannot be reached. errno is kept in both cases. */
int ctl_exchange(uint64_t engine, struct ctl_request *, int proof, struct ctl_reply *, int *fd);

/* CTL_QUERY about fd. False when the engine cannot be reached. */
bool ctl_query(int fd, const struct ident *, struct ctl_reply *);

#endif
