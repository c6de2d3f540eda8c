#include "timer.h"

#include <stddef.h>
#include <string.h>

#define DIGIT_BITS 6u
#define TIMER_LOOK 64u

void
timer_wheel_init(struct timer_wheel *w, uint64_t now)
{
	memset(w, 0, sizeof(*w));
	w->tick = now >> TIMER_TICK_SHIFT;
}

void
timer_init(struct timer *t)
{
	memset(t, 0, sizeof(*t));
}

bool
timer_armed(const struct timer *t)
{
	return t->prevp != NULL;
}

static void
timer_link(struct timer **head, struct timer *t)
{
	t->next = *head;
	t->prevp = head;
	if (t->next != NULL)
		t->next->prevp = &t->next;
	*head = t;
}

static void
timer_place(struct timer_wheel *w, struct timer *t)
{
	if (t->tick <= w->tick) {
		t->level = TIMER_LEVELS;
		timer_link(&w->due, t);
		return;
	}
	t->level = (uint8_t)((63u - (unsigned)__builtin_clzll(t->tick ^ w->tick)) / DIGIT_BITS);
	t->slot = (uint8_t)(t->tick >> (DIGIT_BITS * t->level) & (TIMER_SLOTS - 1));
	timer_link(&w->slots[t->level][t->slot], t);
	w->occupied[t->level] |= UINT64_C(1) << t->slot;
}

void
timer_clear(struct timer_wheel *w, struct timer *t)
{
	if (t->prevp == NULL)
		return;
	*t->prevp = t->next;
	if (t->next != NULL)
		t->next->prevp = t->prevp;
	t->prevp = NULL;
	if (t->level < TIMER_LEVELS && w->slots[t->level][t->slot] == NULL)
		w->occupied[t->level] &= ~(UINT64_C(1) << t->slot);
}

void
timer_set(struct timer_wheel *w, struct timer *t, uint64_t at)
{
	uint64_t tick;

	if (at == TIMER_NEVER) {
		timer_clear(w, t);
		return;
	}
	tick = (at >> TIMER_TICK_SHIFT) + ((at & ((1u << TIMER_TICK_SHIFT) - 1)) != 0);
	if (t->prevp != NULL && t->tick == tick)
		return;
	timer_clear(w, t);
	t->tick = tick;
	timer_place(w, t);
}

/* The lowest occupied level holds the earliest timers: they differ from the present in the lowest digit. */
static bool
timer_first_slot(const struct timer_wheel *w, unsigned *level, unsigned *slot, uint64_t *start)
{
	unsigned l, shift;

	for (l = 0; l < TIMER_LEVELS; l++)
		if (w->occupied[l] != 0)
			break;
	if (l == TIMER_LEVELS)
		return false;
	*level = l;
	*slot = (unsigned)__builtin_ctzll(w->occupied[l]);
	shift = DIGIT_BITS * l;
	*start = (w->tick >> shift >> DIGIT_BITS << DIGIT_BITS | *slot) << shift;
	return true;
}

static void
timer_cascade(struct timer_wheel *w, unsigned level, unsigned slot)
{
	struct timer *t, *next;

	t = w->slots[level][slot];
	w->slots[level][slot] = NULL;
	w->occupied[level] &= ~(UINT64_C(1) << slot);
	for (; t != NULL; t = next) {
		next = t->next;
		timer_place(w, t);
	}
}

struct timer *
timer_expire(struct timer_wheel *w, uint64_t now)
{
	uint64_t target = now >> TIMER_TICK_SHIFT, start;
	unsigned level, slot;
	struct timer *t;

	while (w->due == NULL && timer_first_slot(w, &level, &slot, &start) && start <= target) {
		w->tick = start;
		timer_cascade(w, level, slot);
	}
	if (w->due == NULL && target > w->tick)
		w->tick = target;
	t = w->due;
	if (t != NULL)
		timer_clear(w, t);
	return t;
}

/* The earliest timer is in the first slot. Few timers there are looked through, as a wake-up costs more than that. */
uint64_t
timer_next(const struct timer_wheel *w)
{
	uint64_t start, first = UINT64_MAX;
	unsigned level, slot, n = 0;
	const struct timer *t;

	if (w->due != NULL)
		return 0;
	if (!timer_first_slot(w, &level, &slot, &start))
		return TIMER_NEVER;
	for (t = w->slots[level][slot]; t != NULL && n < TIMER_LOOK; t = t->next, n++)
		if (t->tick < first)
			first = t->tick;
	return (t != NULL ? start : first) << TIMER_TICK_SHIFT;
}
