#include <check.h>

#include "checkmain.h"
#include "core/rtt.h"

#define MS 1000u
#define SECOND 1000000u

START_TEST(first_samples)
{
	struct rtt r;

	rtt_init(&r, 30 * MS);
	ck_assert_uint_eq(rtt_rto(&r), RTT_INITIAL_RTO_US);
	rtt_sample(&r, 50 * MS, 1);
	ck_assert_uint_eq(r.srtt, 50 * MS);
	ck_assert_uint_eq(r.rttvar, 25 * MS);
	ck_assert_uint_eq(rtt_rto(&r), 150 * MS);
	rtt_sample(&r, 90 * MS, 2);
	ck_assert_uint_eq(r.srtt, 55 * MS);
	ck_assert_uint_eq(r.rttvar, (3 * 25 + 40) * MS / 4);
	ck_assert_uint_eq(r.min, 50 * MS);
}
END_TEST

START_TEST(bounds)
{
	struct rtt r;

	rtt_init(&r, 30 * MS);
	rtt_sample(&r, RTT_SAMPLE_MAX_US + 1, 1);
	ck_assert_uint_eq(r.srtt, 0);
	for (int i = 0; i < 100; i++)
		rtt_sample(&r, 0, 2);
	ck_assert_uint_eq(r.srtt, 1);
	ck_assert_uint_eq(rtt_rto(&r), 30 * MS);
	for (int i = 0; i < 100; i++)
		rtt_sample(&r, RTT_SAMPLE_MAX_US, 3);
	ck_assert_uint_eq(rtt_rto(&r), RTT_MAX_RTO_US);
}
END_TEST

START_TEST(backoff)
{
	ck_assert_uint_eq(rtt_backoff(100, 0), 100);
	ck_assert_uint_eq(rtt_backoff(100, 1), 150);
	ck_assert_uint_eq(rtt_backoff(100, 2), 225);
	ck_assert_uint_eq(rtt_backoff(100 * MS, 1000), RTT_MAX_RTO_US);
}
END_TEST

/* A longer path is believed after the window, and not before. */
START_TEST(minimum_expires)
{
	struct rtt r;
	uint64_t now = SECOND;

	rtt_init(&r, 30 * MS);
	rtt_sample(&r, 10 * MS, now);
	for (; now < SECOND + RTT_MIN_WINDOW_US; now += 100 * MS)
		rtt_sample(&r, 40 * MS, now);
	ck_assert_uint_eq(r.min, 10 * MS);
	for (; now < SECOND + 2 * RTT_MIN_WINDOW_US; now += 100 * MS)
		rtt_sample(&r, 40 * MS, now);
	ck_assert_uint_eq(r.min, 40 * MS);
	rtt_sample(&r, 5 * MS, now);
	ck_assert_uint_eq(r.min, 5 * MS);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("rtt");

	tcase_add_test(t, first_samples);
	tcase_add_test(t, bounds);
	tcase_add_test(t, backoff);
	tcase_add_test(t, minimum_expires);
	return check_main("rtt", t);
}
