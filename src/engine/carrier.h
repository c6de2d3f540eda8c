/* carrier: keeps the engine alive past exit, exec and death of the program, as an orphan process of its own. */
#ifndef KCPSHIM_CARRIER_H
#define KCPSHIM_CARRIER_H

#include "loop.h"

struct ctl_client;

/* The loop goes on in an orphan; this thread is told to quit. `c` is answered by whoever runs the loop afterwards:
 * 0, or the errno of a failed fork (then nothing changed). Nothing to carry: answered at once, no process is made. */
void carrier_migrate(struct loop *, struct ctl_client *c);

#endif
