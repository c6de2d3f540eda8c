/* keyring: the keys that a rule's options lead to, loaded once and shared by every session under such a rule. */
#ifndef KCPSHIM_KEYRING_H
#define KCPSHIM_KEYRING_H

#include "loop.h"

struct rules_options;
struct session_keys;

/* *keys is the set for these options, or NULL when they name no key; it stays valid, and is reloaded in place when its file
 * changes. Slow the first time (PBKDF2). 0, or a negative KCPSHIM_E_* after one line in the log. */
int keyring_get(struct loop *, const struct rules_options *, struct session_keys **keys);
/* Before datagrams that may open sessions: loads key files that changed again, looking at most once a second and never without
 * a datagram. What is wrong with the new text goes to the log and leaves the old keys. */
void keyring_refresh_due(struct loop *);

#endif
