/* timer: deadlines of any number of owners, set and found in constant time.
 *
 * A hierarchical timing wheel (Varghese and Lauck, 1987) of 64 slots a level. A timer sits at the level of the highest
 * digit (base 64) in which its tick differs from the present one, so it moves at most once a level and is never early.
 */
#ifndef KCPSHIM_TIMER_H
#define KCPSHIM_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#define TIMER_TICK_SHIFT 4u  /* a tick is 16 us: the most by which a timer is late */
#define TIMER_LEVELS 10u     /* 60 bits of ticks: all of 64-bit microseconds */
#define TIMER_SLOTS 64u
#define TIMER_NEVER UINT64_MAX

struct timer {
	struct timer *next;
	struct timer **prevp;  /* NULL: not armed */
	uint64_t tick;
	uint8_t level, slot;   /* level TIMER_LEVELS: in the list of those that are due */
};

struct timer_wheel {
	uint64_t tick;                       /* the present */
	uint64_t occupied[TIMER_LEVELS];     /* a bit for each slot that holds a timer */
	struct timer *slots[TIMER_LEVELS][TIMER_SLOTS];
	struct timer *due;
};

/* `now` and `at`: microseconds of one monotonic clock. */
void timer_wheel_init(struct timer_wheel *, uint64_t now);
void timer_init(struct timer *);
bool timer_armed(const struct timer *);
/* Arms or moves; TIMER_NEVER disarms. A time in the past is due at once. */
void timer_set(struct timer_wheel *, struct timer *, uint64_t at);
void timer_clear(struct timer_wheel *, struct timer *);
/* Disarms one timer whose time has come and returns it; NULL when there is none at `now`. */
struct timer *timer_expire(struct timer_wheel *, uint64_t now);
/* Time at which timer_expire has to be called next: the earliest timer's tick; where more than a few share its slot possibly
 * earlier, but never later, by whole levels (at most TIMER_LEVELS times for one timer); 0 when one is due, TIMER_NEVER when none is armed. */
uint64_t timer_next(const struct timer_wheel *);

#endif
