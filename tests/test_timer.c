#include <stdlib.h>

#include <check.h>

#include "core/random.h"
#include "core/timer.h"
#include "checkmain.h"

#define TICK (1u << TIMER_TICK_SHIFT)
#define NTIMERS 300

static struct timer_wheel wheel;
static struct timer timers[NTIMERS];
static uint64_t due_at[NTIMERS];

static struct random
seeded(unsigned n)
{
	uint8_t seed[RANDOM_SEED_LEN] = { (uint8_t)n, (uint8_t)(n >> 8) };
	struct random r;

	random_init(&r, seed);
	return r;
}

START_TEST(due_at_once)
{
	struct timer t;

	timer_wheel_init(&wheel, 1000000);
	timer_init(&t);
	ck_assert_uint_eq(timer_next(&wheel), TIMER_NEVER);
	timer_set(&wheel, &t, 5);
	ck_assert(timer_armed(&t));
	ck_assert_uint_eq(timer_next(&wheel), 0);
	ck_assert_ptr_eq(timer_expire(&wheel, 1000000), &t);
	ck_assert(!timer_armed(&t));
	ck_assert_ptr_null(timer_expire(&wheel, UINT64_MAX / 2));
}
END_TEST

START_TEST(cleared_never_fires)
{
	struct timer t;

	timer_wheel_init(&wheel, 0);
	timer_init(&t);
	timer_clear(&wheel, &t);
	timer_set(&wheel, &t, 5000);
	timer_set(&wheel, &t, TIMER_NEVER);
	ck_assert(!timer_armed(&t));
	ck_assert_uint_eq(timer_next(&wheel), TIMER_NEVER);
	ck_assert_ptr_null(timer_expire(&wheel, 1000000));
}
END_TEST

/* One wake-up, whatever the distance. */
START_TEST(few_wakeups)
{
	uint64_t at = UINT64_C(1) << (4 * _i + 3), now = 12345, next;
	struct timer t, *fired = NULL;
	unsigned wakeups = 0;

	timer_wheel_init(&wheel, now);
	timer_init(&t);
	at += now;
	timer_set(&wheel, &t, at);
	while (fired == NULL) {
		next = timer_next(&wheel);
		ck_assert_uint_le(next, at + TICK - 1);
		ck_assert_uint_gt(next, now);
		now = next;
		fired = timer_expire(&wheel, now);
		wakeups++;
		ck_assert_uint_le(wakeups, 1);
	}
	ck_assert_uint_ge(now, at);
}
END_TEST

/* Where many timers share a slot, a wake-up for each level at most. */
START_TEST(few_wakeups_of_many)
{
	uint64_t at = UINT64_C(1) << (4 * _i + 3), now = 12345, next;
	unsigned wakeups = 0;
	int i;

	timer_wheel_init(&wheel, now);
	at += now;
	for (i = 0; i < NTIMERS; i++) {
		timer_init(&timers[i]);
		timer_set(&wheel, &timers[i], at);
	}
	while (timer_expire(&wheel, now) == NULL) {
		next = timer_next(&wheel);
		ck_assert_uint_le(next, at + TICK - 1);
		ck_assert_uint_gt(next, now);
		now = next;
		ck_assert_uint_le(++wakeups, TIMER_LEVELS);
	}
	ck_assert_uint_ge(now, at);
}
END_TEST

/* Against a plain array: never early, at most a tick late when asked in time, none lost. */
START_TEST(random_operations)
{
	struct random r = seeded((unsigned)_i);
	uint64_t now = random_u64(&r) >> 20, next;
	struct timer *t;
	int i, step, late = 0, disagree = 0;

	timer_wheel_init(&wheel, now);
	for (i = 0; i < NTIMERS; i++) {
		timer_init(&timers[i]);
		due_at[i] = TIMER_NEVER;
	}
	for (step = 0; step < 2000; step++) {
		i = (int)(random_u32(&r) % NTIMERS);
		due_at[i] = random_u32(&r) % 8 == 0 ? TIMER_NEVER : now + (random_u64(&r) >> (20 + random_u32(&r) % 44));
		timer_set(&wheel, &timers[i], due_at[i]);
		if (random_u32(&r) % 3 == 0)
			now += random_u32(&r) >> (random_u32(&r) % 32);
		else if ((next = timer_next(&wheel)) != TIMER_NEVER && next > now)
			now = next;
		while ((t = timer_expire(&wheel, now)) != NULL) {
			i = (int)(t - timers);
			ck_assert_msg(due_at[i] <= now, "seed %d: early", _i);
			due_at[i] = TIMER_NEVER;
		}
		/* Each assertion costs a system call: one for all that went wrong. */
		for (i = 0; i < NTIMERS; i++) {
			late += due_at[i] != TIMER_NEVER && due_at[i] + TICK <= now;
			disagree += timer_armed(&timers[i]) != (due_at[i] != TIMER_NEVER);
		}
		ck_assert_msg(late == 0 && disagree == 0, "seed %d: %d late, %d armed wrongly", _i, late, disagree);
	}
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("timer");

	tcase_add_test(tc, due_at_once);
	tcase_add_test(tc, cleared_never_fires);
	tcase_add_loop_test(tc, few_wakeups, 0, 14);
	tcase_add_loop_test(tc, few_wakeups_of_many, 0, 14);
	tcase_add_loop_test(tc, random_operations, 0, 20);
	return check_main("timer", tc);
}
