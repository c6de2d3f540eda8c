/* filler: bytes that no program wrote, in front of its own in the pair: the stash, and what makes a connect() look pending. */
#ifndef KCPSHIM_FILLER_H
#define KCPSHIM_FILLER_H

#include <stdbool.h>

struct conn;

/* Puts the stash (see relay.h) into a new pair, through the program's end, and for a pending connect() as much more as that holds, so that
 * it shows no POLLOUT and takes no bytes. 0 or an errno. */
int filler_put(struct conn *, int app_fd, bool pending);
/* Takes the filler of a pending connect() out: POLLOUT appears. */
void filler_drop(struct conn *);

#endif
