#include <check.h>

#include "checkmain.h"
#include "core/cc.h"

#define MSS 1428u
#define RATE 2500000u      /* bytes/s */
#define RTT_US 50000u
#define BDP (RATE / 1000000.0 * RTT_US)

/* A path of RATE and RTT_US that always has data: one acknowledgement for each datagram. `lost`: every n-th, 0 none. */
static void
feed(struct cc *c, struct cc_ack *a, unsigned n, unsigned lost, uint64_t rtt)
{
	for (unsigned i = 1; i <= n; i++) {
		uint64_t rate = c->cwnd * 1000000u / RTT_US, step;

		a->rate = rate < RATE ? rate : RATE;
		step = MSS * 1000000u / a->rate;
		a->now += step;
		/* What is under way follows the pacer. */
		a->inflight += c->pacing_rate * step / 1000000u;
		a->inflight = a->inflight > MSS ? a->inflight - MSS : 0;
		a->inflight = a->inflight < c->cwnd ? a->inflight : c->cwnd;
		a->delivered += MSS;
		a->prior_delivered = a->delivered > a->inflight ? a->delivered - a->inflight : 0;
		a->acked = MSS;
		a->lost = lost != 0 && i % lost == 0 ? MSS : 0;
		a->rtt = a->srtt = (uint32_t)rtt;
		cc_on_ack(c, a);
	}
}

START_TEST(auto_finds_the_path)
{
	struct cc_ack a = { .now = 1000000 };
	struct cc c;

	cc_init(&c, KCP_CC_AUTO, MSS, 0);
	feed(&c, &a, 5000, 0, RTT_US);
	ck_assert_int_eq(c.bbr.state, BBR_PROBE_BW);
	ck_assert_uint_eq(c.bbr.bw.value[0], RATE);
	ck_assert_uint_ge(c.cwnd, (uint64_t)(1.5 * BDP));
	ck_assert_uint_le(c.cwnd, (uint64_t)(2.5 * BDP));
	ck_assert_uint_ge(c.pacing_rate, RATE / 2);
	ck_assert_uint_le(c.pacing_rate, RATE * 13 / 10);
}
END_TEST

/* One in twenty lost: with no queue nothing is reduced, with one the window is. */
START_TEST(loss_counts_with_a_queue)
{
	struct cc_ack a = { .now = 1000000 };
	uint64_t before;
	struct cc c;

	cc_init(&c, KCP_CC_AUTO, MSS, 0);
	feed(&c, &a, 3000, 0, RTT_US);
	before = c.cwnd;
	feed(&c, &a, 400, 20, RTT_US);
	ck_assert_uint_ge(c.cwnd, before - MSS);
	ck_assert_uint_eq(c.bbr.inflight_hi, UINT64_MAX);
	feed(&c, &a, 400, 5, 2 * RTT_US);
	ck_assert_uint_lt(c.bbr.inflight_hi, UINT64_MAX);
	ck_assert_uint_lt(c.cwnd, before);
	ck_assert_uint_ge(c.cwnd, (uint64_t)BDP * 9 / 10);
}
END_TEST

START_TEST(classic_halves_and_takes_back)
{
	struct cc_ack a = { .now = 1000000 };
	uint64_t before;
	struct cc c;

	cc_init(&c, KCP_CC_KCP, MSS, 0);
	before = c.cwnd;
	feed(&c, &a, 20, 0, RTT_US);
	ck_assert_uint_eq(c.cwnd, before + 20 * MSS);
	a.inflight = c.cwnd;
	before = c.cwnd;
	feed(&c, &a, 1, 1, RTT_US);
	ck_assert_uint_lt(c.cwnd, before * 6 / 10);
	cc_on_spurious(&c);
	ck_assert_uint_ge(c.cwnd, before);
	/* Only once. */
	feed(&c, &a, 1, 1, RTT_US);
	cc_on_timeout(&c, c.cwnd);
	ck_assert_uint_eq(c.cwnd, 2 * MSS);
}
END_TEST

START_TEST(none_keeps_the_window)
{
	struct cc_ack a = { .now = 1000000 };
	struct cc c;

	cc_init(&c, KCP_CC_NONE, MSS, 0);
	c.wnd = 1024u * MSS;
	feed(&c, &a, 100, 3, RTT_US);
	cc_on_timeout(&c, 100 * MSS);
	ck_assert_uint_eq(c.cwnd, 1024u * MSS);
	ck_assert_uint_eq(c.pacing_rate, UINT64_C(1024) * MSS * 10000u / RTT_US * 120);
}
END_TEST

START_TEST(cap_and_floor)
{
	struct cc_ack a = { .now = 1000000 };
	struct cc c;

	cc_init(&c, (enum kcp_cc)_i, MSS, 10000);
	ck_assert_uint_eq(c.pacing_rate, 10000);
	feed(&c, &a, 500, 0, RTT_US);
	ck_assert_uint_eq(c.pacing_rate, 10000);
	cc_set(&c, (enum kcp_cc)((_i + 1) % 3), 0);
	feed(&c, &a, 500, 0, RTT_US);
	ck_assert_uint_gt(c.pacing_rate, 10000);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("cc");

	tcase_add_test(t, auto_finds_the_path);
	tcase_add_test(t, loss_counts_with_a_queue);
	tcase_add_test(t, classic_halves_and_takes_back);
	tcase_add_test(t, none_keeps_the_window);
	tcase_add_loop_test(t, cap_and_floor, 0, 3);
	return check_main("cc", t);
}
