/* control_status: what kcpctl status shows and kcpctl set changes. */
#ifndef KCPSHIM_CONTROL_STATUS_H
#define KCPSHIM_CONTROL_STATUS_H

#include "control.h"
#include "ctlproto.h"

/* One struct ctl_status per listener and session, to this client. */
void control_status(struct loop *, struct ctl_client *);
/* kcpctl set: NAME=VALUE of the session q->id. 0 or positive errno (EINVAL: name or value). */
int control_set(struct loop *, const struct ctl_request *q);

#endif
