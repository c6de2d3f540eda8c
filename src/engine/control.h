/* control: requests from interposed calls and from kcpctl, over AF_UNIX (ctlproto.h). */
#ifndef KCPSHIM_CONTROL_H
#define KCPSHIM_CONTROL_H

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
	LIST_ENTRY(ctl_client) all;
};

/* Takes the listening socket into the loop. 0 or positive errno. */
int control_open(struct loop *, int fd);
/* Answers and forgets whom it waited for; the client's side closes. `error` is a positive errno or 0. */
void control_reply(struct loop *, struct ctl_client *, const struct ctl_reply *, int fd);
void control_reply_error(struct loop *, struct ctl_client *, int error);
void control_reply_fd(struct loop *, struct ctl_client *, int error, int fd);

#endif
