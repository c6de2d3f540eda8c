/* replay: which packet numbers of one direction were received (RFC 4303 3.4.3 in spirit). */
#ifndef KCPSHIM_REPLAY_H
#define KCPSHIM_REPLAY_H

#include <stdint.h>

struct mem;

#define REPLAY_WINDOW 1024u  /* packet numbers; anything older counts as seen */

struct replay {
	uint64_t next;   /* highest received + 1; 0: none yet */
	uint64_t *seen;  /* bit pn % REPLAY_WINDOW, for the last REPLAY_WINDOW below next; NULL: all of them were */
};

/* The 64-bit packet number nearest to `next` with these low 32 bits. */
uint64_t replay_expand(const struct replay *, uint32_t low);
/* 0, or KCPSHIM_E_REPLAY when pn was seen or is too old. To be asked before the datagram is opened ... */
int replay_check(const struct replay *, uint64_t pn);
/* ... and to be recorded only after it proved authentic. `pn` passed replay_check. */
void replay_record(struct replay *, struct mem *, uint64_t pn);
/* The session is idle: gives the window back. What has not come by now is not accepted later; without memory it is the same. */
void replay_rest(struct replay *, struct mem *);

#endif
