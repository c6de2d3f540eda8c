/* replay: which packet numbers of one direction were received (RFC 4303 3.4.3 in spirit). */
#ifndef KCPSHIM_REPLAY_H
#define KCPSHIM_REPLAY_H

#include <stdint.h>

#define REPLAY_WINDOW 1024u  /* packet numbers; anything older counts as seen */

struct replay {
	uint64_t next;                       /* highest received + 1; 0: none yet */
	uint64_t seen[REPLAY_WINDOW / 64];   /* bit pn % REPLAY_WINDOW, for the last REPLAY_WINDOW below next */
};

/* The 64-bit packet number nearest to `next` with these low 32 bits. */
uint64_t replay_expand(const struct replay *, uint32_t low);
/* 0, or KCPSHIM_E_REPLAY when pn was seen or is too old. To be asked before the datagram is opened ... */
int replay_check(const struct replay *, uint64_t pn);
/* ... and to be recorded only after it proved authentic. `pn` passed replay_check. */
void replay_record(struct replay *, uint64_t pn);

#endif
