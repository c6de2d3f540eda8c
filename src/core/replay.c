#include "replay.h"

#include <string.h>

#include "error.h"
#include "mem.h"

#define WINDOW_BYTES (REPLAY_WINDOW / 8)

uint64_t
replay_expand(const struct replay *r, uint32_t low)
{
	int32_t step = (int32_t)(low - (uint32_t)r->next);

	if (step < 0 && r->next < (uint64_t)-(int64_t)step)
		return low;
	return r->next + (uint64_t)(int64_t)step;
}

static uint64_t *
word_of(struct replay *r, uint64_t pn)
{
	return &r->seen[pn % REPLAY_WINDOW / 64];
}

int
replay_check(const struct replay *r, uint64_t pn)
{
	if (pn >= r->next)
		return 0;
	if (r->next - pn > REPLAY_WINDOW || r->seen == NULL)
		return KCPSHIM_E_REPLAY;
	return r->seen[pn % REPLAY_WINDOW / 64] >> pn % 64 & 1 ? KCPSHIM_E_REPLAY : 0;
}

void
replay_record(struct replay *r, struct mem *mem, uint64_t pn)
{
	if (r->seen == NULL) {
		r->seen = mem_alloc_raw(mem, WINDOW_BYTES);
		if (r->seen == NULL) {
			r->next = pn + 1;
			return;
		}
		memset(r->seen, 0xff, WINDOW_BYTES);
	}
	if (pn >= r->next + REPLAY_WINDOW) {
		memset(r->seen, 0, WINDOW_BYTES);
		r->next = pn;
	}
	for (; r->next <= pn; r->next++)
		*word_of(r, r->next) &= ~(UINT64_C(1) << r->next % 64);
	*word_of(r, pn) |= UINT64_C(1) << pn % 64;
}

void
replay_rest(struct replay *r, struct mem *mem)
{
	mem_free(mem, r->seen, WINDOW_BYTES);
	r->seen = NULL;
}
