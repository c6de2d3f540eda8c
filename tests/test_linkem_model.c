#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "linkem_model.h"
#include "checkmain.h"

#define MS LINKEM_NS_PER_MS
#define SEED 20240607

static struct linkem_direction dir;

static void
setup_direction(const struct linkem_profile *profile)
{
	linkem_direction_init(&dir, profile, SEED, 0);
}

START_TEST(test_perfect_link_delivers_at_once)
{
	struct linkem_profile profile = {0};
	struct linkem_verdict v;

	setup_direction(&profile);
	for (uint64_t t = 0; t < 1000; t += 7) {
		linkem_direction_offer(&dir, t, 1500, &v);
		ck_assert_int_eq(v.fate, LINKEM_DELIVER);
		ck_assert_uint_eq(v.copies, 1);
		ck_assert_uint_eq(v.due_ns[0], t);
		ck_assert(!v.corrupt);
	}
}
END_TEST

START_TEST(test_rate_serialises)
{
	/* 1250 bytes at 10 Mbit/s take 1 ms */
	struct linkem_profile profile = {.rate = 10000000, .delay_ns = 5 * MS};
	struct linkem_verdict v;

	setup_direction(&profile);
	for (unsigned i = 0; i < 100; i++) {
		linkem_direction_offer(&dir, 0, 1250, &v);
		ck_assert_uint_eq(v.due_ns[0], (i + 1) * MS + 5 * MS);
	}
	linkem_direction_offer(&dir, 500 * MS, 1250, &v);
	ck_assert_uint_eq(v.due_ns[0], 506 * MS);
}
END_TEST

START_TEST(test_rate_keeps_fractions)
{
	/* 1 byte at 3 Gbit/s takes 2 2/3 ns: 3000 of them exactly 8 us */
	struct linkem_profile profile = {.rate = 3000000000};
	struct linkem_verdict v;

	setup_direction(&profile);
	for (unsigned i = 0; i < 3000; i++)
		linkem_direction_offer(&dir, 0, 1, &v);
	ck_assert_uint_eq(v.due_ns[0], 8000);
}
END_TEST

static const struct queue_case {
	struct linkem_profile profile;
	unsigned accepted; /* of 100 packets of 1250 bytes offered at once at 10 Mbit/s */
} queue_cases[] = {
	{{.rate = 10000000, .queue_ns = 10 * MS}, 11}, /* one in transmission, ten waiting */
	{{.rate = 10000000, .queue_bytes = 12500}, 11},
	{{.rate = 10000000, .queue_ns = 10 * MS - 1}, 10},
	{{.rate = 10000000}, 100},
	{{.rate = 0, .queue_ns = 1}, 100},
};

START_TEST(test_queue_limit)
{
	const struct queue_case *c = &queue_cases[_i];
	struct linkem_verdict v;
	unsigned accepted = 0;

	setup_direction(&c->profile);
	for (unsigned i = 0; i < 100; i++) {
		linkem_direction_offer(&dir, 0, 1250, &v);
		accepted += v.fate == LINKEM_DELIVER;
	}
	ck_assert_uint_eq(accepted, c->accepted);
	ck_assert_uint_eq(dir.counters.queue_full, 100 - c->accepted);
	ck_assert_uint_eq(dir.counters.offered, 100);
}
END_TEST

static const struct loss_case {
	double loss, burst;
} loss_cases[] = {{0.001, 0}, {0.02, 1}, {0.1, 0}, {0.1, 4}, {0.3, 10}, {0.5, 2}, {0, 4}, {1, 0}};

START_TEST(test_loss_share_and_burst_length)
{
	const struct loss_case *c = &loss_cases[_i];
	struct linkem_profile profile = {.loss = c->loss, .burst = c->burst};
	struct linkem_verdict v;
	const unsigned total = 400000;
	unsigned lost = 0, bursts = 0;
	bool before = false;
	double share, length;

	setup_direction(&profile);
	for (unsigned i = 0; i < total; i++) {
		bool now;

		linkem_direction_offer(&dir, i, 100, &v);
		now = v.fate == LINKEM_LOST;
		lost += now;
		bursts += now && !before;
		before = now;
	}
	share = (double)lost / total;
	ck_assert_double_eq_tol(share, c->loss, 0.05 * c->loss + 0.0002);
	if (c->loss <= 0 || c->loss >= 1)
		return;
	length = (double)lost / bursts;
	ck_assert_double_eq_tol(length, c->burst > 1 ? c->burst : 1 / (1 - c->loss), 0.05 * length);
}
END_TEST

START_TEST(test_lost_packet_uses_airtime)
{
	struct linkem_profile profile = {.rate = 10000000, .loss = 1};
	struct linkem_verdict v;

	setup_direction(&profile);
	for (unsigned i = 0; i < 10; i++)
		linkem_direction_offer(&dir, 0, 1250, &v);
	ck_assert_uint_eq(dir.busy_until_ns, 10 * MS);
	ck_assert_uint_eq(dir.counters.lost_bytes, 12500);
}
END_TEST

struct spread {
	double mean, deviation, correlation; /* of delays, ms; correlation of neighbours */
	unsigned overtakes;
};

static struct spread
measure_jitter(const struct linkem_profile *profile, uint64_t gap_ns)
{
	const unsigned total = 100000;
	struct linkem_verdict v;
	double sum = 0, squares = 0, products = 0, previous = 0;
	uint64_t last_due = 0;
	struct spread result = {0};

	setup_direction(profile);
	for (unsigned i = 0; i < total; i++) {
		double delay;

		linkem_direction_offer(&dir, i * gap_ns, 100, &v);
		delay = ((double)v.due_ns[0] - (double)(i * gap_ns)) / 1e6;
		sum += delay;
		squares += delay * delay;
		products += delay * previous;
		previous = delay;
		result.overtakes += v.due_ns[0] < last_due;
		last_due = v.due_ns[0];
	}
	result.mean = sum / total;
	result.deviation = squares / total - result.mean * result.mean;
	result.correlation = (products / total - result.mean * result.mean) / result.deviation;
	result.deviation = __builtin_sqrt(result.deviation);
	return result;
}

START_TEST(test_jitter_independent)
{
	struct linkem_profile profile = {.delay_ns = 40 * MS, .jitter_ns = 5 * MS, .reorder = true};
	struct spread s = measure_jitter(&profile, MS);

	ck_assert_double_eq_tol(s.mean, 40, 0.1);
	ck_assert_double_eq_tol(s.deviation, 5, 0.1);
	ck_assert_double_eq_tol(s.correlation, 0, 0.02);
	ck_assert_uint_gt(s.overtakes, 30000);
	ck_assert_uint_gt(dir.counters.overtaken, 30000);
}
END_TEST

START_TEST(test_jitter_correlated_in_time)
{
	struct linkem_profile profile = {
		.delay_ns = 40 * MS, .jitter_ns = 5 * MS, .jitter_tau_ns = 10 * MS, .reorder = true};
	struct spread slow = measure_jitter(&profile, 10 * MS);
	struct spread fast = measure_jitter(&profile, MS);

	ck_assert_double_eq_tol(slow.correlation, 0.3679, 0.03); /* exp(-1) */
	ck_assert_double_eq_tol(fast.correlation, 0.9048, 0.02); /* exp(-0.1) */
	ck_assert_double_eq_tol(fast.deviation, 5, 0.3);
}
END_TEST

START_TEST(test_jitter_in_order)
{
	struct linkem_profile profile = {.delay_ns = 10 * MS, .jitter_ns = 8 * MS, .duplicate = 0.1};
	struct spread s = measure_jitter(&profile, MS / 10);

	ck_assert_uint_eq(s.overtakes, 0);
	ck_assert_uint_eq(dir.counters.overtaken, 0);
}
END_TEST

START_TEST(test_duplicates_and_corruption)
{
	struct linkem_profile profile = {.duplicate = 0.05, .corrupt = 0.02, .delay_ns = MS};
	struct linkem_verdict v;
	unsigned twice = 0, corrupt = 0;
	const unsigned total = 100000;

	setup_direction(&profile);
	for (unsigned i = 0; i < total; i++) {
		linkem_direction_offer(&dir, i, 100, &v);
		twice += v.copies == 2;
		corrupt += v.corrupt;
		ck_assert(v.copies == 1 || v.due_ns[0] <= v.due_ns[1]);
	}
	ck_assert_double_eq_tol((double)twice / total, 0.05, 0.003);
	ck_assert_double_eq_tol((double)corrupt / total, 0.02, 0.002);
	ck_assert_uint_eq(dir.counters.delivered, total + twice);
	ck_assert_uint_eq(dir.counters.delivered_bytes, 100u * (total + twice));
}
END_TEST

static enum linkem_fate
fate_at(uint64_t now_ns)
{
	struct linkem_verdict v;

	linkem_direction_offer(&dir, now_ns, 100, &v);
	return v.fate;
}

START_TEST(test_blackout_window)
{
	struct linkem_profile profile = {
		.blackout_at_ns = 100 * MS, .blackout_ns = 50 * MS, .blackout_period_ns = 1000 * MS};

	setup_direction(&profile);
	ck_assert_int_eq(fate_at(99 * MS), LINKEM_DELIVER);
	ck_assert_int_eq(fate_at(100 * MS), LINKEM_BLACKOUT);
	ck_assert_int_eq(fate_at(149 * MS), LINKEM_BLACKOUT);
	ck_assert_int_eq(fate_at(150 * MS), LINKEM_DELIVER);
	ck_assert_int_eq(fate_at(1100 * MS), LINKEM_BLACKOUT);
	ck_assert_int_eq(fate_at(1150 * MS), LINKEM_DELIVER);
	linkem_direction_set_blackout(&dir, true);
	ck_assert_int_eq(fate_at(1160 * MS), LINKEM_BLACKOUT);
	linkem_direction_set_blackout(&dir, false);
	ck_assert_int_eq(fate_at(1161 * MS), LINKEM_DELIVER);
	ck_assert_uint_eq(dir.counters.blackout, 4);
}
END_TEST

static uint64_t
digest(const struct linkem_profile *profile, uint64_t seed)
{
	uint64_t hash = UINT64_C(14695981039346656037);
	struct linkem_verdict v;

	linkem_direction_init(&dir, profile, seed, 0);
	for (unsigned i = 0; i < 5000; i++) {
		linkem_direction_offer(&dir, i * 100000, 100 + i % 1300, &v);
		hash = (hash ^ v.fate ^ v.due_ns[0] ^ (v.due_ns[1] << 1) ^ v.corrupt_bit) * UINT64_C(1099511628211);
	}
	return hash;
}

START_TEST(test_seed_decides_all)
{
	struct linkem_profile profile = {.rate = 20000000, .queue_ns = 100 * MS, .delay_ns = 40 * MS,
		.jitter_ns = 15 * MS, .reorder = true, .loss = 0.03, .burst = 2, .duplicate = 0.01, .corrupt = 0.01};

	ck_assert_uint_eq(digest(&profile, 1), digest(&profile, 1));
	ck_assert_uint_ne(digest(&profile, 1), digest(&profile, 2));
}
END_TEST

START_TEST(test_options_do_not_disturb_each_other)
{
	struct linkem_profile plain = {.loss = 0.1}, more = {.loss = 0.1, .duplicate = 0.5, .corrupt = 0.5};
	enum linkem_fate fates[1000];

	setup_direction(&plain);
	for (unsigned i = 0; i < 1000; i++)
		fates[i] = fate_at(i);
	setup_direction(&more);
	for (unsigned i = 0; i < 1000; i++)
		ck_assert_int_eq(fate_at(i), fates[i]);
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

int
main(void)
{
	TCase *tc = tcase_create("model");

	tcase_add_test(tc, test_perfect_link_delivers_at_once);
	tcase_add_test(tc, test_rate_serialises);
	tcase_add_test(tc, test_rate_keeps_fractions);
	tcase_add_loop_test(tc, test_queue_limit, 0, COUNT(queue_cases));
	tcase_add_loop_test(tc, test_loss_share_and_burst_length, 0, COUNT(loss_cases));
	tcase_add_test(tc, test_lost_packet_uses_airtime);
	tcase_add_test(tc, test_jitter_independent);
	tcase_add_test(tc, test_jitter_correlated_in_time);
	tcase_add_test(tc, test_jitter_in_order);
	tcase_add_test(tc, test_duplicates_and_corruption);
	tcase_add_test(tc, test_blackout_window);
	tcase_add_test(tc, test_seed_decides_all);
	tcase_add_test(tc, test_options_do_not_disturb_each_other);
	return check_main("linkem_model", tc);
}
