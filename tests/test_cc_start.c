#include <check.h>

#include "checkmain.h"
#include "core/cc.h"

#define MSS 1428u
#define RTT_US 200000u
#define EPOCH UINT32_MAX    /* the low halves of the times wrap within the first train */

/* A train of `n` datagrams that left `left` us apart and whose acknowledgements come `came` us apart, beginning at `at`. */
static void
train(struct cc_start *s, struct cc_ack *a, unsigned n, uint32_t left, uint32_t came, uint64_t at)
{
	for (unsigned i = 0; i < n; i++) {
		a->now = at + RTT_US + (uint64_t)i * came;
		a->sent = (uint32_t)(at + (uint64_t)i * left);
		a->srtt = RTT_US;
		a->acked = MSS;
		a->delivered += MSS;
		cc_start_on_ack(s, a, MSS, i == 0);
	}
}

static const struct {
	const char *name;
	unsigned datagrams;
	uint32_t left, came;     /* us from one to the next */
	bool app_limited;
	uint64_t rate;           /* bytes/s */
	bool spread;
} trains[] = {
	{ "arrives as it was sent", 64, 1000, 1000, false, MSS * 1000u, false },
	{ "arrives more slowly", 64, 1000, 2000, false, MSS * 500u, true },
	{ "a queue of the way back makes lumps", 64, 1000, 500, false, MSS * 1000u, false },
	{ "a little more slowly", 64, 1000, 1040, false, MSS * 1000000u / 1040, false },
	{ "too few", 16, 1000, 1000, false, 0, false },
	{ "too few to tell a queue from jitter", 40, 1000, 2000, false, MSS * 500u, false },
	{ "a lump", 64, 1, 100, false, 0, false },
	{ "the writer was slow", 64, 1000, 2000, true, 0, false },
};

START_TEST(one_train)
{
	struct cc_ack a = { .app_limited = trains[_i].app_limited };
	struct cc_start s = { 0 };

	train(&s, &a, trains[_i].datagrams, trains[_i].left, trains[_i].came, EPOCH);
	ck_assert_msg(s.rate == trains[_i].rate, "%s: %llu", trains[_i].name, (unsigned long long)s.rate);
	ck_assert_msg(s.spread == trains[_i].spread, "%s: spread %d", trains[_i].name, s.spread);
}
END_TEST

/* The greatest rate counts, and a later train that is faster without a queue shows that the path carries more. */
START_TEST(several_trains)
{
	struct cc_ack a = { 0 };
	struct cc_start s = { 0 };

	train(&s, &a, 64, 1000, 1500, EPOCH);
	ck_assert(s.spread);
	train(&s, &a, 64, 500, 500, EPOCH + RTT_US);
	ck_assert_uint_eq(s.rate, MSS * 2000u);
	ck_assert(!s.spread);
	train(&s, &a, 256, 250, 400, EPOCH + 2 * RTT_US);
	ck_assert_uint_eq(s.rate, MSS * 2500u);
	ck_assert(s.spread);
	train(&s, &a, 64, 1000, 1000, EPOCH + 3 * RTT_US);
	ck_assert_uint_eq(s.rate, MSS * 2500u);
	ck_assert(s.spread);
}
END_TEST

/* Windows of a flow over a path of 100 Mbit/s that always has data, in trains as they come out of the pacer: after how many round
 * trips it is filled. */
static unsigned
rounds_to_fill(uint32_t rtt)
{
	const uint64_t path = 12500000u, bdp = path * rtt / 1000000u;
	struct cc_ack a = { .srtt = rtt };
	uint64_t at = 1000000, sent = 0;
	unsigned rounds = 0;
	struct cc c;

	cc_init(&c, KCP_CC_AUTO, MSS, 0);
	cc_seed_rtt(&c, rtt);
	for (uint64_t window = c.cwnd; window < bdp && rounds < 20; window = c.cwnd, rounds++, at += rtt) {
		uint64_t left = MSS * 1000000u / c.pacing_rate, came = MSS * 1000000u / path, begun = a.delivered;

		came = came > left ? came : left;
		for (sent = 0; sent < window; sent += MSS) {
			uint64_t i = sent / MSS, delay = i * (came - left);

			a.now = at + rtt + i * came;
			a.sent = (uint32_t)(at + i * left);
			a.acked = MSS;
			a.delivered += MSS;
			a.prior_delivered = begun;
			a.inflight = c.cwnd - MSS;
			a.rtt = rtt + (uint32_t)delay;
			a.rate = sent * 1000000u / rtt;
			cc_on_ack(&c, &a);
		}
	}
	return rounds;
}

/* From 64 datagrams to 1750, and from 128 to 3501; doubling takes five round trips each, and a short path is left to that. */
START_TEST(long_paths_fill_early)
{
	ck_assert_uint_le(rounds_to_fill(200000), 4);
	ck_assert_uint_le(rounds_to_fill(400000), 4);
	ck_assert_uint_ge(rounds_to_fill(40000), 4);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("cc_start");

	tcase_add_loop_test(t, one_train, 0, sizeof(trains) / sizeof(trains[0]));
	tcase_add_test(t, several_trains);
	tcase_add_test(t, long_paths_fill_early);
	return check_main("cc_start", t);
}
