#include "replay.h"

#include "error.h"

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
	if (r->next - pn > REPLAY_WINDOW)
		return KCPSHIM_E_REPLAY;
	return r->seen[pn % REPLAY_WINDOW / 64] >> pn % 64 & 1 ? KCPSHIM_E_REPLAY : 0;
}

void
replay_record(struct replay *r, uint64_t pn)
{
	unsigned i;

	if (pn >= r->next + REPLAY_WINDOW) {
		for (i = 0; i < REPLAY_WINDOW / 64; i++)
			r->seen[i] = 0;
		r->next = pn;
	}
	for (; r->next <= pn; r->next++)
		*word_of(r, r->next) &= ~(UINT64_C(1) << r->next % 64);
	*word_of(r, pn) |= UINT64_C(1) << pn % 64;
}
