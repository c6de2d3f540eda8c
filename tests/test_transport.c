/* What the sender has to reach on simulated paths; tests/bench_sim prints the same beside KCP's classic rules. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "simflow.h"
#include "simprofile.h"
#include "checkmain.h"

#define MBIT 125000u
#define SECOND 1000000u
#define MTU 1400u
#define SEEDS 2u

static const struct {
	const char *name;
	struct simlink_config ab, ba;
	uint32_t ack_delay;
	double loss;
	double most_duplicates;      /* share of segments sent twice without need */
} paths[] = {
	{ "no loss", { .rate = 20 * MBIT, .delay = 25000, .queue = 125000 }, { .delay = 25000 }, 0, 0, 0.002 },
	{ "1% lost", { .rate = 20 * MBIT, .delay = 25000, .queue = 125000, .loss = 0.01 }, { .delay = 25000, .loss = 0.01 }, 0, 0.01, 0.002 },
	{ "5% lost", { .rate = 20 * MBIT, .delay = 25000, .queue = 125000, .loss = 0.05 }, { .delay = 25000, .loss = 0.05 }, 0, 0.05, 0.002 },
	{ "bursts", { .rate = 20 * MBIT, .delay = 25000, .queue = 125000, .burst = 0.001, .burst_len = 10 },
	    { .delay = 25000, .burst = 0.001, .burst_len = 10 }, 0, 0.01, 0.002 },
	{ "short queue", { .rate = 100 * MBIT, .delay = 25000, .queue = 142800 }, { .delay = 25000 }, 0, 0, 0.002 },
	{ "reordering", { .rate = 20 * MBIT, .delay = 25000, .queue = 125000, .jitter = 10000, .reorder = true },
	    { .delay = 25000, .jitter = 10000, .reorder = true }, 0, 0, 0.001 },
	{ "jitter", { .rate = 20 * MBIT, .delay = 25000, .queue = 125000, .jitter = 10000 }, { .delay = 25000, .jitter = 10000 }, 0, 0, 0.001 },
	{ "late acknowledgements", { .rate = 20 * MBIT, .delay = 25000, .queue = 125000 }, { .delay = 25000 }, 100000, 0, 0.01 },
};
#define NPATHS (sizeof(paths) / sizeof(paths[0]))

static void
set_up(struct simflow *f, enum wire_codec codec, enum kcp_cc cc)
{
	memset(f, 0, sizeof(*f));
	kcp_config_default(&f->cfg, codec);
	f->cfg.mtu = MTU;
	f->cfg.cc = cc;
	f->cfg.snd_wnd = f->cfg.rcv_wnd = 4096;
	f->cfg.rmt_wnd = codec == WIRE_SESSION ? 4096 : 0;
}

START_TEST(bulk)
{
	unsigned at = (unsigned)_i / SEEDS % NPATHS;
	uint64_t seed = (unsigned)_i % SEEDS + 1, seconds = 10;
	enum wire_codec codec = (unsigned)_i / SEEDS < NPATHS ? WIRE_SESSION : WIRE_PLAIN;
	double reach = (double)paths[at].ab.rate * (1 - paths[at].loss) * (double)seconds, necessary;
	struct simflow f;
	struct simnet n;
	struct kcp_info r;

	set_up(&f, codec, KCP_CC_AUTO);
	f.peer_ack_delay_us = paths[at].ack_delay;
	simnet_init(&n, &f, 1, &paths[at].ab, &paths[at].ba, seed);
	simnet_run(&n, seconds * SECOND);
	kcp_get_info(f.rx, &r);
	necessary = (double)f.bytes / (MTU - (codec == WIRE_SESSION ? 11 : 24)) * (MTU + SIMLINK_OVERHEAD) / (1 - paths[at].loss);
	ck_assert_msg((double)f.bytes >= 0.9 * reach, "%s, codec %d, seed %llu: goodput %.1f%%", paths[at].name, codec,
	    (unsigned long long)seed, 100 * (double)f.bytes / reach);
	ck_assert_msg((double)f.wire_bytes <= 1.08 * necessary, "%s, codec %d, seed %llu: %.3f of the necessary bytes", paths[at].name, codec,
	    (unsigned long long)seed, (double)f.wire_bytes / necessary);
	ck_assert_msg((double)r.duplicates <= paths[at].most_duplicates * (double)r.segments_received, "%s, codec %d, seed %llu: %llu of %llu twice",
	    paths[at].name, codec, (unsigned long long)seed, (unsigned long long)r.duplicates, (unsigned long long)r.segments_received);
	simnet_dispose(&n);
}
END_TEST

/* 128 bytes each 20 ms, 50 ms round trip. */
static const struct {
	double loss;
	bool redundancy;
	uint32_t p99;
	double datagrams;
} thins[] = {
	{ 0.02, true, 50000, 1.01 }, { 0.05, true, 50000, 1.01 }, { 0.10, true, 70000, 1.03 },
	{ 0.02, false, 82500, 1.06 }, { 0.05, false, 90000, 1.13 }, { 0.10, false, 140000, 1.25 },
};

START_TEST(thin)
{
	struct simlink_config link = { .rate = 20 * MBIT, .delay = 25000, .queue = 125000, .loss = thins[_i].loss };
	struct simflow f;
	struct simnet n;

	for (uint64_t seed = 1; seed <= 3; seed++) {
		set_up(&f, seed == 2 ? WIRE_PLAIN : WIRE_SESSION, KCP_CC_AUTO);
		f.cfg.redundancy = thins[_i].redundancy;
		f.message = 128;
		f.period = 20000;
		simnet_init(&n, &f, 1, &link, &link, seed);
		simnet_run(&n, 120 * SECOND);
		ck_assert_msg(simflow_quantile(&f, 0.99, 119 * SECOND) <= thins[_i].p99, "loss %.2f seed %llu: p99 %u us", thins[_i].loss,
		    (unsigned long long)seed, simflow_quantile(&f, 0.99, 119 * SECOND));
		ck_assert_msg((double)f.datagrams <= thins[_i].datagrams * (double)f.messages, "loss %.2f seed %llu: %llu datagrams for %zu messages",
		    thins[_i].loss, (unsigned long long)seed, (unsigned long long)f.datagrams, f.messages);
		simnet_dispose(&n);
	}
}
END_TEST

/* Losses in bursts, and many messages within one round trip: 128 bytes each 20 ms over paths of tests/linkem. */
static const struct {
	const char *profile;
	uint32_t p99;
} thin_profiles[] = {
	{ "wifi", 42000 }, { "mobile", 80000 }, { "lossy", 320000 }, { "transcontinental", 125000 }, { "satellite", 325000 },
};

START_TEST(thin_profile)
{
	struct simlink_config link = { .profile = thin_profiles[_i].profile };
	struct simflow f;
	struct simnet n;

	for (uint64_t seed = 1; seed <= 4; seed++) {
		set_up(&f, seed % 2 == 0 ? WIRE_PLAIN : WIRE_SESSION, KCP_CC_AUTO);
		f.cfg.redundancy = true;
		f.message = 128;
		f.period = 20000;
		simnet_init(&n, &f, 1, &link, &link, seed);
		simnet_run(&n, 120 * SECOND);
		ck_assert_msg(simflow_quantile(&f, 0.99, 118 * SECOND) <= thin_profiles[_i].p99, "%s seed %llu: p99 %u us", thin_profiles[_i].profile,
		    (unsigned long long)seed, simflow_quantile(&f, 0.99, 118 * SECOND));
		ck_assert_msg((double)f.datagrams <= 1.02 * (double)f.messages, "%s seed %llu: %llu datagrams for %zu messages",
		    thin_profiles[_i].profile, (unsigned long long)seed, (unsigned long long)f.datagrams, f.messages);
		simnet_dispose(&n);
	}
}
END_TEST

/* `second` begins 5 s later; what both read from 10 s to 70 s. */
static void
share(struct simflow f[2], enum simflow_sender first, enum simflow_sender second, uint64_t queue, double *jain)
{
	struct simlink_config ab = { .rate = 20 * MBIT, .delay = 25000, .queue = queue }, ba = { .delay = 25000 };
	struct simnet n;
	uint64_t from[2];

	set_up(&f[0], first == SIMFLOW_OURS ? WIRE_SESSION : WIRE_PLAIN, KCP_CC_AUTO);
	set_up(&f[1], second == SIMFLOW_OURS ? WIRE_SESSION : WIRE_PLAIN, KCP_CC_AUTO);
	f[0].sender = first;
	f[1].sender = second;
	f[1].start = 5 * SECOND;
	simnet_init(&n, f, 2, &ab, &ba, 1);
	simnet_run(&n, 10 * SECOND);
	from[0] = f[0].bytes;
	from[1] = f[1].bytes;
	simnet_run(&n, 70 * SECOND);
	f[0].bytes -= from[0];
	f[1].bytes -= from[1];
	*jain = simnet_jain(&n);
	simnet_dispose(&n);
}

START_TEST(fair_to_itself)
{
	struct simflow f[2];
	double jain;

	share(f, SIMFLOW_OURS, SIMFLOW_OURS, (uint64_t)62500 << _i, &jain);
	ck_assert_msg(jain > 0.98, "queue %d: %.3f", 62500 << _i, jain);
}
END_TEST

/* Beside Reno and CUBIC, with queues of half a round trip's bytes to four: neither gets less than a quarter. */
START_TEST(lives_beside_tcp)
{
	enum simflow_sender tcp = _i & 1 ? SIMFLOW_RENO : SIMFLOW_CUBIC;
	bool first = (_i / 2 & 1) != 0;
	struct simflow f[2];
	double jain;

	share(f, first ? SIMFLOW_OURS : tcp, first ? tcp : SIMFLOW_OURS, (uint64_t)62500 << _i / 2, &jain);
	for (int i = 0; i < 2; i++)
		ck_assert_msg(f[i].bytes > (f[0].bytes + f[1].bytes) / 4, "case %d: %llu and %llu bytes", _i,
		    (unsigned long long)f[0].bytes, (unsigned long long)f[1].bytes);
}
END_TEST

/* The emulator's profiles with the engine's windows; the limit is the rate less losses and headers. */
static const struct {
	const char *name;
	uint64_t seconds;
	double session, plain;       /* share of the limit to reach */
} profiles[] = {
	{ "fiber", 3, 0.95, 0.95 }, { "broadband", 10, 0.96, 0.96 }, { "wifi", 10, 0.96, 0.93 }, { "mobile", 10, 0.94, 0.92 },
	{ "transcontinental", 20, 0.93, 0.90 }, { "lossy", 20, 0.92, 0.87 }, { "satellite", 20, 0.88, 0.82 },
	/* Mostly how soon a long path is filled. */
	{ "transcontinental", 8, 0.85, 0.76 }, { "satellite", 14, 0.84, 0.75 },
};
#define NPROFILES (sizeof(profiles) / sizeof(profiles[0]))

static void
set_up_engine(struct simflow *f, bool session, uint64_t rtt)
{
	memset(f, 0, sizeof(*f));
	kcp_config_default(&f->cfg, session ? WIRE_SESSION : WIRE_PLAIN);
	f->cfg.mtu = MTU;
	f->cfg.rmt_wnd = session ? f->cfg.rcv_wnd : 0;
	f->cfg.snd_buf = 3u << 20;
	f->cfg.snd_wnd = f->cfg.rcv_wnd_max = 8192;
	f->handshake_rtt = session ? rtt : 0;
}

START_TEST(emulated_profiles)
{
	unsigned at = (unsigned)_i % NPROFILES;
	uint64_t seed = 1, rtt;
	bool session = (unsigned)_i < NPROFILES;
	struct simlink_config link = { .profile = profiles[at].name };
	double rate, loss, limit, bytes, need = session ? profiles[at].session : profiles[at].plain;
	double segment = MTU - (session ? 11 : 24), necessary;
	struct simflow f;
	struct simnet n;

	simprofile_limits(profiles[at].name, &rate, &loss, &rtt);
	set_up_engine(&f, session, rtt);
	simnet_init(&n, &f, 1, &link, &link, seed);
	simnet_run(&n, profiles[at].seconds * SECOND);
	bytes = (double)f.bytes;
	limit = rate / 8 * (1 - loss) * segment / (MTU + SIMLINK_OVERHEAD) * (double)profiles[at].seconds;
	ck_assert_msg(bytes >= need * limit, "%s, session %d, seed %llu: %.1f%% of the limit", profiles[at].name, session,
	    (unsigned long long)seed, 100 * bytes / limit);
	/* What is under way at the end was sent as well. */
	necessary = bytes / segment * (MTU + SIMLINK_OVERHEAD) / (1 - loss) + rate / 8 * (double)rtt * 1e-6;
	ck_assert_msg((double)f.wire_bytes <= (session ? 1.06 : 1.10) * necessary, "%s, session %d, seed %llu: %.3f of the necessary bytes", profiles[at].name,
	    session, (unsigned long long)seed, (double)f.wire_bytes / necessary);
	simnet_dispose(&n);
}
END_TEST

/* What looks like a full pipe at the start of a flow and is jitter, slow jitter or reordering, in some of the seeds. */
static const struct {
	const char *profile;
	unsigned seconds;
	double session, plain;       /* share of the limit to reach */
} starts[] = {
	{ "profile=wifi", 2, 0.80, 0.65 }, { "profile=mobile", 3, 0.75, 0.65 },
	{ "profile=transcontinental rate=40M jitter=10ms jitter-tau=100ms", 8, 0.40, 0.20 },
};
#define START_SEEDS 15u

START_TEST(jitter_at_the_start)
{
	unsigned at = (unsigned)_i / 2;
	bool session = _i % 2 == 0;
	struct simlink_config link = { .profile = starts[at].profile };
	double rate, loss, limit;
	struct simflow f;
	struct simnet n;
	uint64_t rtt;

	simprofile_limits(starts[at].profile, &rate, &loss, &rtt);
	limit = rate / 8 * (1 - loss) * (MTU - (session ? 11 : 24)) / (MTU + SIMLINK_OVERHEAD) * starts[at].seconds;
	for (uint64_t seed = 1; seed <= START_SEEDS; seed++) {
		set_up_engine(&f, session, rtt);
		simnet_init(&n, &f, 1, &link, &link, seed);
		simnet_run(&n, (uint64_t)starts[at].seconds * SECOND);
		ck_assert_msg((double)f.bytes >= (session ? starts[at].session : starts[at].plain) * limit, "%s, session %d, seed %llu: %.1f%% of the limit",
		    starts[at].profile, session, (unsigned long long)seed, 100 * (double)f.bytes / limit);
		simnet_dispose(&n);
	}
}
END_TEST

/* The cap holds from the first datagram on. */
START_TEST(rate_cap)
{
	struct simlink_config link = { .rate = 20 * MBIT, .delay = 25000 };
	struct simflow f;
	struct simnet n;

	set_up(&f, WIRE_SESSION, (enum kcp_cc)_i);
	f.cfg.rate = 4 * MBIT;
	simnet_init(&n, &f, 1, &link, &link, 1);
	simnet_run(&n, 5 * SECOND);
	/* The few bytes that the layers around the ARQ add are not counted. */
	ck_assert_uint_le(f.wire_bytes, 5 * 4 * MBIT * 101 / 100);
	ck_assert_uint_ge(f.bytes, 5 * 4 * MBIT * 9 / 10);
	simnet_dispose(&n);
}
END_TEST

/* A path that is dead for a while is taken up again with the next of the ever rarer attempts, and was not flooded meanwhile. */
START_TEST(blackout)
{
	struct simlink_config link = { .rate = 20 * MBIT, .delay = 25000, .queue = 125000 };
	struct simflow f;
	struct simnet n;
	uint64_t sent, read;

	set_up(&f, (enum wire_codec)_i, KCP_CC_AUTO);
	simnet_init(&n, &f, 1, &link, &link, 1);
	simnet_run(&n, 3 * SECOND);
	n.ab.cfg.loss = n.ba.cfg.loss = 1;
	sent = f.datagrams;
	simnet_run(&n, 8 * SECOND);
	ck_assert_uint_le(f.datagrams - sent, 250);
	n.ab.cfg.loss = n.ba.cfg.loss = 0;
	read = f.bytes;
	simnet_run(&n, 11 * SECOND + SECOND / 4);
	ck_assert_uint_gt(f.bytes - read, 2 * SECOND / 8 * 10);
	simnet_dispose(&n);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("transport");

	tcase_add_loop_test(t, bulk, 0, 2 * NPATHS * SEEDS);
	tcase_add_loop_test(t, thin, 0, sizeof(thins) / sizeof(thins[0]));
	tcase_add_loop_test(t, thin_profile, 0, sizeof(thin_profiles) / sizeof(thin_profiles[0]));
	tcase_add_loop_test(t, fair_to_itself, 0, 4);
	tcase_add_loop_test(t, lives_beside_tcp, 0, 8);
	tcase_add_loop_test(t, emulated_profiles, 0, 2 * NPROFILES);
	tcase_add_loop_test(t, jitter_at_the_start, 0, 2 * (int)(sizeof(starts) / sizeof(starts[0])));
	tcase_add_loop_test(t, rate_cap, 0, 3);
	tcase_add_loop_test(t, blackout, 0, 2);
	return check_main("transport", t);
}
