/* budget: no more than so many a second, of anything. */
#ifndef KCPSHIM_BUDGET_H
#define KCPSHIM_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#define BUDGET_SECOND_US 1000000u

/* Zeroed: nothing was taken yet. */
struct budget {
	uint64_t second;
	uint32_t taken;  /* in that second */
};

/* True, and counted, while fewer than `per_second` were taken in the second of `now` (us). */
static inline bool
budget_take(struct budget *b, uint32_t per_second, uint64_t now)
{
	if (now / BUDGET_SECOND_US != b->second) {
		b->second = now / BUDGET_SECOND_US;
		b->taken = 0;
	}
	if (b->taken >= per_second)
		return false;
	b->taken++;
	return true;
}

#endif
