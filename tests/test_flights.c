#include <string.h>

#include "checkmain.h"
#include "core/flights.h"
#include "core/mem.h"

#define SECOND UINT64_C(1000000000)
#define START (UINT64_C(1800000000) * SECOND)

static struct mem *mem;
static struct flights *flights;

static void
setup(void)
{
	mem = mem_new(0);
	flights = flights_new(mem, FLIGHTS_DEFAULT, START);
	ck_assert_ptr_nonnull(flights);
}

static void
teardown(void)
{
	flights_free(flights);
	ck_assert_uint_eq(mem_used(mem), 0);
	mem_destroy(mem);
}

/* Ephemeral key number n: all in one bucket when `same`. */
static void
make_key(uint8_t key[32], uint32_t n, bool same)
{
	memset(key, 0x40, 32);
	memcpy(key, &n, sizeof n);
	if (!same)
		memcpy(key + 16, &n, sizeof n);
}

START_TEST(time_decides)
{
	static const struct {
		int64_t client, now;   /* seconds after START */
		bool cookie;
		enum flights_verdict want;
	} cases[] = {
		{ 1, 1, false, FLIGHTS_FRESH },
		{ 500, 500 + 119, false, FLIGHTS_FRESH },
		{ 500, 500 + 121, false, FLIGHTS_STALE },
		{ 500 + 119, 500, false, FLIGHTS_FRESH },
		{ 500 + 121, 500, false, FLIGHTS_STALE },
		{ -1, 1, false, FLIGHTS_STALE },          /* made before this set existed */
		{ 0, 1, false, FLIGHTS_STALE },
		{ -1, 1, true, FLIGHTS_FRESH },
		{ 100000, 500, true, FLIGHTS_FRESH },
		{ -1800000000, 500, false, FLIGHTS_STALE }, /* no clock at all */
		{ -1800000000, 500, true, FLIGHTS_FRESH },
	};
	uint8_t key[32];

	make_key(key, 1, false);
	ck_assert_int_eq(flights_check(flights, key, START + (uint64_t)cases[_i].client * SECOND, cases[_i].cookie,
	    START + (uint64_t)cases[_i].now * SECOND), cases[_i].want);
}
END_TEST

START_TEST(seen_once_is_seen)
{
	uint8_t key[32], other[32];
	uint64_t time = START + 10 * SECOND;

	make_key(key, 1, false);
	make_key(other, 2, true);
	ck_assert_int_eq(flights_check(flights, key, time, false, time), FLIGHTS_FRESH);
	ck_assert_int_eq(flights_check(flights, key, time, false, time), FLIGHTS_FRESH);
	flights_add(flights, key, time, time);
	for (uint64_t later = 0; later < 240; later++) {
		ck_assert_int_eq(flights_check(flights, key, time, false, time + later * SECOND), FLIGHTS_SEEN);
		ck_assert_int_eq(flights_check(flights, key, time, true, time + later * SECOND), FLIGHTS_SEEN);
	}
	ck_assert_int_eq(flights_check(flights, other, time, false, time), FLIGHTS_FRESH);
	/* Forgotten, but by now its time is out of tolerance. */
	ck_assert_int_eq(flights_check(flights, key, time, false, time + 240 * SECOND), FLIGHTS_STALE);
}
END_TEST

/* Whatever is added, an INIT that was accepted by its time alone is never fresh by its time again. */
START_TEST(no_replay_after_overflow)
{
	uint8_t key[32];
	uint64_t now = START + 5 * SECOND;

	for (uint32_t n = 0; n < 100; n++, now += SECOND / 10) {
		make_key(key, n, true);
		ck_assert_int_eq(flights_check(flights, key, now, false, now), FLIGHTS_FRESH);
		flights_add(flights, key, now, now);
	}
	for (uint32_t n = 0; n < 100; n++) {
		uint64_t time = START + 5 * SECOND + n * (SECOND / 10);

		make_key(key, n, true);
		ck_assert_int_ne(flights_check(flights, key, time, false, now), FLIGHTS_FRESH);
	}
	/* Others are not asked for a cookie because of it. */
	make_key(key, 7, false);
	ck_assert_int_eq(flights_check(flights, key, START + 5 * SECOND, false, now), FLIGHTS_FRESH);
}
END_TEST

/* A clock far ahead, let in by cookies, must not make everybody else need one. */
START_TEST(future_times_raise_no_floor)
{
	uint8_t key[32];
	uint64_t now = START + 5 * SECOND;

	for (uint32_t n = 0; n < 100; n++) {
		make_key(key, n, true);
		flights_add(flights, key, now + 100000 * SECOND, now);
	}
	make_key(key, 1000, true);
	ck_assert_int_eq(flights_check(flights, key, now, false, now), FLIGHTS_FRESH);
}
END_TEST

START_TEST(spread_over_buckets)
{
	uint8_t key[32];
	uint64_t now = START + 5 * SECOND;
	unsigned seen = 0;

	for (uint32_t n = 0; n < FLIGHTS_DEFAULT / 2; n++) {
		make_key(key, n, false);
		flights_add(flights, key, now, now);
	}
	for (uint32_t n = 0; n < FLIGHTS_DEFAULT / 2; n++) {
		make_key(key, n, false);
		seen += flights_check(flights, key, now, false, now) == FLIGHTS_SEEN;
	}
	ck_assert_uint_eq(seen, FLIGHTS_DEFAULT / 2);
}
END_TEST

START_TEST(arguments)
{
	ck_assert_ptr_null(flights_new(mem, 0, START));
	ck_assert_ptr_null(flights_new(mem, 65536, START));
	flights_free(NULL);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("flights");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, time_decides, 0, 11);
	tcase_add_test(tc, seen_once_is_seen);
	tcase_add_test(tc, no_replay_after_overflow);
	tcase_add_test(tc, future_times_raise_no_floor);
	tcase_add_test(tc, spread_over_buckets);
	tcase_add_test(tc, arguments);
	return check_main("flights", tc);
}
