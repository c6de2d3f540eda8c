/* engines: finds the engines on this machine that this user may ask, and asks them. */
#ifndef KCPSHIM_ENGINES_H
#define KCPSHIM_ENGINES_H

#include <stddef.h>

#include "../engine/ctlproto.h"

#define ENGINE_NAME_LEN 64

struct engines {
	size_t count;
	char (*name)[ENGINE_NAME_LEN];   /* abstract AF_UNIX names without the leading NUL */
};

/* Control addresses of this network namespace, each once, as /proc/net/unix tells. 0 or a positive errno. */
int engines_find(struct engines *);
void engines_free(struct engines *);

/* Sends `request` (op and arguments filled; the rest is done here) to one engine. Returns a connection to read the answer
 * from, or a negative errno: -ECONNREFUSED when it is gone, -EPERM when it is another user's and this is not root's process. */
int engine_ask(const char *name, struct ctl_request *request);
/* Next message of an answer into msg[len]. 1: it is there; 0: the end; negative errno: -ETIMEDOUT, -EPROTO when it is not
 * of this protocol, -EPROTONOSUPPORT when of another version (*version), or what a ctl_reply refused with. */
int engine_answer(int fd, void *msg, size_t len, unsigned *version);

/* Calls each(status, arg) for every line of an engine's status. 0, or as engine_ask and engine_answer. */
int engine_status(const char *name, void (*each)(const struct ctl_status *, void *), void *arg, unsigned *version);
/* One line about an error of the three above, to standard error; says nothing about engines that are gone or not ours.
 * Returns whether it said something. */
int engine_complain(const char *name, int error, unsigned version);

#endif
