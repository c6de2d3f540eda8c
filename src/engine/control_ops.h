/* control_ops: what each request does. Used by control only. */
#ifndef KCPSHIM_CONTROL_OPS_H
#define KCPSHIM_CONTROL_OPS_H

#include "control.h"

/* Handles one checked request. *fd (or -1) came with it; set to -1 when its ownership was taken. The client is answered now or later. */
void control_dispatch(struct loop *, struct ctl_client *, const struct ctl_request *, int *fd);
/* The client closed its side before it was answered. */
void control_abandoned(struct loop *, struct ctl_client *);
/* One line of kcpctl status. */
void control_send_status(struct ctl_client *, const struct ctl_status *);

#endif
