/* control: requests from interposed calls and from kcpctl, over AF_UNIX (ctlproto.h). */
#ifndef KCPSHIM_CONTROL_H
#define KCPSHIM_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "ctlproto.h"
#include "loop.h"

struct conn;

struct ctl_client {
	struct source src;
	uid_t uid;              /* SO_PEERCRED */
	pid_t pid;
	struct conn *waiting;   /* connection whose outcome it waits for, NULL */
	int waiting_op;
	unsigned turns;         /* of the loop that a CTL_SYNC still waits, 0: none is asked */
	LIST_ENTRY(ctl_client) all;
};

/* Takes the listening socket into the loop. 0 or positive errno. */
int control_open(struct loop *, int fd);
/* Answers and forgets whom it waited for; the client's side closes. `error` is a positive errno or 0. */
void control_reply(struct loop *, struct ctl_client *, const struct ctl_reply *, int fd);
void control_reply_error(struct loop *, struct ctl_client *, int error);
void control_reply_fd(struct loop *, struct ctl_client *, int error, int fd);
/* CTL_SYNC: answered when the loop has taken up everything that was ready by now. A turn's events are not in the order in which
 * they came: epoll keeps a level-triggered descriptor in its list for one look more. `sent`: and when a reset that came of it
 * has gone, and has come if this engine has the peer, too. */
void control_sync(struct loop *, struct ctl_client *, bool sent);
/* A turn's events were taken up; `all`: there were no others. */
void control_turn(struct loop *, bool all);

#endif
