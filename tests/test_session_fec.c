#include <stdio.h>

#include <check.h>

#include "checkmain.h"
#include "core/error.h"
#include "core/fec_policy.h"
#include "fecpair.h"

#define MBIT 125000u
#define SEED 7u

static struct session_config
config(bool plain, uint8_t crypto, uint8_t fec, uint8_t k, uint8_t m)
{
	struct session_config c;

	session_config_default(&c);
	c.plain = plain;
	if (plain)
		kcp_config_default(&c.kcp, WIRE_PLAIN);
	c.crypto = crypto;
	c.fec = fec;
	c.fec_data = k;
	c.fec_parity = m;
	return c;
}

static struct simlink_config
lossy(double loss, uint64_t rate)
{
	return (struct simlink_config){ .rate = rate, .delay = 25000, .queue = rate / 20, .loss = loss };
}

static struct fecpair_result
stream(struct session_config a, struct session_config b, double loss, uint64_t rate)
{
	struct simlink_config link = lossy(loss, 20 * MBIT);
	struct fecpair_result r = fecpair_run(&a, &b, &link, rate, 1300, 20, SEED);

	printf("loss %.0f%%, %.1f Mbit/s: p50 %.1f p99 %.1f ms, %llu restored of %llu, %.3f bytes carried per byte\n", loss * 100,
	    (double)rate / MBIT, r.p50, r.p99, (unsigned long long)r.restored, (unsigned long long)r.sent, (double)r.carried / (double)r.bytes);
	return r;
}

/* A stream well below the path's rate: losses cost no round trip, at most a quarter more is sent, and both ends of the
 * session may have different rules. */
START_TEST(a_stream_gains)
{
	double loss = _i == 0 ? 0.05 : 0.10;
	struct session_config off = config(false, SESSION_CRYPTO_AUTO, SESSION_FEC_OFF, 0, 0);
	struct fecpair_result without = stream(off, off, loss, 4 * MBIT);
	struct fecpair_result automatic = stream(config(false, SESSION_CRYPTO_AUTO, SESSION_FEC_AUTO, 0, 0), off, loss, 4 * MBIT);
	struct fecpair_result fixed = stream(config(false, SESSION_CRYPTO_NONE, SESSION_FEC_FIXED, 10, 3),
	    config(false, SESSION_CRYPTO_NONE, SESSION_FEC_OFF, 0, 0), loss, 4 * MBIT);

	ck_assert_uint_eq(without.restored, 0);
	ck_assert_uint_gt(automatic.restored, 0);
	ck_assert_uint_gt(fixed.restored, 0);
	ck_assert(fixed.p99 < without.p99 * 0.75);
	ck_assert(automatic.p99 < without.p99);
	ck_assert((double)automatic.carried < (double)without.carried * 1.27);
}
END_TEST

/* Who fills the path is not slowed down. */
START_TEST(bulk_is_left_alone)
{
	double loss = _i == 0 ? 0.05 : 0.10;
	struct session_config off = config(false, SESSION_CRYPTO_AUTO, SESSION_FEC_OFF, 0, 0);
	struct fecpair_result without = stream(off, off, loss, 0);
	struct fecpair_result automatic = stream(config(false, SESSION_CRYPTO_AUTO, SESSION_FEC_AUTO, 0, 0), off, loss, 0);

	printf("bulk: %.2f and %.2f Mbit/s\n", (double)without.bytes / 20 / MBIT, (double)automatic.bytes / 20 / MBIT);
	ck_assert((double)automatic.bytes > (double)without.bytes * 0.95);
}
END_TEST

/* A fixed share of parity costs its share and no more, round after round: the rate that is measured is without it. */
START_TEST(bulk_pays_its_share)
{
	bool plain = _i == 1;
	struct session_config fixed = config(plain, plain ? SESSION_CRYPTO_NONE : SESSION_CRYPTO_AUTO, SESSION_FEC_FIXED, 10, 3);
	struct fecpair_result r = stream(fixed, fixed, 0.05, 0);
	double limit = 20 * MBIT * 0.95 * 10 / 13;

	printf("bulk, plain %d: %.2f of %.2f Mbit/s\n", plain, (double)r.bytes / 20 / MBIT, limit / MBIT);
	ck_assert((double)r.bytes / 20 > limit * 0.9);
}
END_TEST

/* rate= is of all that is sent. */
START_TEST(cap_holds_with_parity)
{
	struct session_config fixed = config(false, SESSION_CRYPTO_AUTO, SESSION_FEC_FIXED, 10, 3);
	struct fecpair_result r;

	fixed.kcp.rate = 5 * MBIT;
	r = stream(fixed, fixed, 0, 0);
	ck_assert((double)r.carried < 20 * 5 * MBIT * 1.1);
	ck_assert((double)r.bytes > 20 * 5 * MBIT * 0.65);
}
END_TEST

START_TEST(silent_without_losses)
{
	struct session_config a = config(false, SESSION_CRYPTO_AUTO, SESSION_FEC_AUTO, 0, 0);
	struct session_config off = config(false, SESSION_CRYPTO_AUTO, SESSION_FEC_OFF, 0, 0);
	struct fecpair_result automatic = stream(a, a, 0, 4 * MBIT), without = stream(off, off, 0, 4 * MBIT);

	ck_assert((double)automatic.carried < (double)without.carried * 1.02);
}
END_TEST

/* kcp-go's layout: every byte arrives (fecpair checks), and losses are made up for. */
START_TEST(plain_wire)
{
	struct session_config c = config(true, SESSION_CRYPTO_NONE, SESSION_FEC_FIXED, 10, 3), off = config(true, SESSION_CRYPTO_NONE, SESSION_FEC_OFF, 0, 0);
	struct fecpair_result with = stream(c, c, 0.05, 4 * MBIT), without = stream(off, off, 0.05, 4 * MBIT);

	ck_assert_uint_gt(with.restored, with.sent / 40);
	ck_assert(with.p99 < without.p99);
}
END_TEST

static const struct {
	struct fec_path path;
	unsigned k, m;             /* 0: none */
	const char *why;
} choices[] = {
	{ { 3277, 50000, 50000, 2600, false }, 9, 2, "4 Mbit/s over 50 ms at 5%" },
	{ { 655, 200000, 200000, 1000, false }, 20, 2, "1%: one in ten is enough" },
	{ { 6554, 100000, 100000, 1000, false }, 20, 5, "10%: as much as is allowed" },
	{ { 100, 50000, 50000, 2600, false }, 0, 0, "next to no loss" },
	{ { 3277, 50000, 50000, 2600, true }, 0, 0, "fills its path" },
	{ { 3277, 50000, 50000, 20000, false }, 0, 0, "too thin: a group would take longer than a retransmission" },
	{ { 3277, 120000, 50000, 2600, false }, 0, 0, "a queue has grown" },
	{ { 3277, 50000, 0, 2600, false }, 0, 0, "path unknown" },
};

START_TEST(policy)
{
	unsigned k = 0, m = 0;
	bool on = fec_choose(&choices[_i].path, &k, &m);

	ck_assert_msg(on == (choices[_i].k != 0), "%s", choices[_i].why);
	if (!on)
		return;
	ck_assert_msg(k == choices[_i].k && m == choices[_i].m, "%s: %u:%u", choices[_i].why, k, m);
	ck_assert_uint_le(m * FEC_POLICY_OVERHEAD, k);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("session_fec");

	printf("seed %u\n", SEED);
	tcase_add_loop_test(t, policy, 0, (int)(sizeof(choices) / sizeof(choices[0])));
	tcase_add_loop_test(t, a_stream_gains, 0, 2);
	tcase_add_loop_test(t, bulk_is_left_alone, 0, 2);
	tcase_add_loop_test(t, bulk_pays_its_share, 0, 2);
	tcase_add_test(t, cap_holds_with_parity);
	tcase_add_test(t, silent_without_losses);
	tcase_add_test(t, plain_wire);
	return check_main("session_fec", t);
}
