/* control_sockopt: setsockopt() and getsockopt() of a connection or listener, answered as TCP would. */
#ifndef KCPSHIM_CONTROL_SOCKOPT_H
#define KCPSHIM_CONTROL_SOCKOPT_H

#include <stdint.h>

#include "ctlproto.h"
#include "loop.h"

/* conn and listener: at most one is set; none: the connection is over. Return 0 or a positive errno. */
int control_setsockopt(struct loop *, struct conn *, struct listener *, const struct ctl_request *);
/* Fills r->opt and r->optlen. `ino`: of the program's descriptor, for connections that are over. */
int control_getsockopt(struct loop *, struct conn *, struct listener *, const struct ctl_request *, uint64_t ino, struct ctl_reply *r);

#endif
