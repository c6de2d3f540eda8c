/* bench_sim: our sender beside the classic rules of KCP, over the same simulated paths with the same seeds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simflow.h"
#include "simprofile.h"

#define MBIT 125000u
#define SECOND 1000000u
#define MTU 1400u
#define START_SEEDS 15u

struct path {
	const char *name;
	struct simlink_config ab, ba;
	uint32_t ack_delay;
	double loss;         /* mean loss of the path, for what can be reached */
};

static const struct path paths[] = {
	{ "20M 50ms q=1bdp loss 0%", { .rate = 20 * MBIT, .delay = 25000, .queue = 125000 }, { .delay = 25000 }, 0, 0 },
	{ "20M 50ms q=1bdp loss 1%", { .rate = 20 * MBIT, .delay = 25000, .queue = 125000, .loss = 0.01 }, { .delay = 25000, .loss = 0.01 }, 0, 0.01 },
	{ "20M 50ms q=1bdp loss 5%", { .rate = 20 * MBIT, .delay = 25000, .queue = 125000, .loss = 0.05 }, { .delay = 25000, .loss = 0.05 }, 0, 0.05 },
	{ "20M 50ms q=1bdp loss 10%", { .rate = 20 * MBIT, .delay = 25000, .queue = 125000, .loss = 0.10 }, { .delay = 25000, .loss = 0.10 }, 0, 0.10 },
	{ "20M 50ms bursts of 10, 1%", { .rate = 20 * MBIT, .delay = 25000, .queue = 125000, .burst = 0.001, .burst_len = 10 },
	    { .delay = 25000, .burst = 0.001, .burst_len = 10 }, 0, 0.01 },
	{ "100M 50ms q=100 packets", { .rate = 100 * MBIT, .delay = 25000, .queue = 142800 }, { .delay = 25000 }, 0, 0 },
	{ "100M 50ms q=100, loss 1%", { .rate = 100 * MBIT, .delay = 25000, .queue = 142800, .loss = 0.01 }, { .delay = 25000, .loss = 0.01 }, 0, 0.01 },
	{ "20M 50ms jitter 10 reorder", { .rate = 20 * MBIT, .delay = 25000, .queue = 125000, .jitter = 10000, .reorder = true },
	    { .delay = 25000, .jitter = 10000, .reorder = true }, 0, 0 },
	{ "20M 50ms jitter 30 reorder", { .rate = 20 * MBIT, .delay = 25000, .queue = 125000, .jitter = 30000, .reorder = true },
	    { .delay = 25000, .jitter = 30000, .reorder = true }, 0, 0 },
	{ "20M 50ms jitter 10 in order", { .rate = 20 * MBIT, .delay = 25000, .queue = 125000, .jitter = 10000 }, { .delay = 25000, .jitter = 10000 }, 0, 0 },
	{ "20M 50ms acks each 100 ms", { .rate = 20 * MBIT, .delay = 25000, .queue = 125000 }, { .delay = 25000 }, 100000, 0 },
	{ "20M 50ms acks 100ms, loss 1%", { .rate = 20 * MBIT, .delay = 25000, .queue = 125000, .loss = 0.01 }, { .delay = 25000, .loss = 0.01 }, 100000, 0.01 },
	{ "2M 200ms q=1bdp loss 2%", { .rate = 2 * MBIT, .delay = 100000, .queue = 50000, .loss = 0.02 }, { .delay = 100000, .loss = 0.02 }, 0, 0.02 },
	{ "fiber: 500M 10ms", { .rate = 500 * MBIT, .delay = 5000, .queue = 1250000 }, { .delay = 5000 }, 0, 0 },
	{ "broadband: 100M 40ms 0.1%", { .rate = 100 * MBIT, .delay = 20000, .queue = 625000, .loss = 0.001 }, { .delay = 20000, .loss = 0.001 }, 0, 0.001 },
	{ "wifi: 50M 30ms 2% jitter 5", { .rate = 50 * MBIT, .delay = 15000, .queue = 312500, .loss = 0.02, .sigma = 5000 },
	    { .delay = 15000, .loss = 0.02, .sigma = 5000 }, 0, 0.02 },
	{ "mobile: 20M 80ms 3% jitter 15", { .rate = 20 * MBIT, .delay = 40000, .queue = 500000, .loss = 0.03, .sigma = 15000, .reorder = true },
	    { .delay = 40000, .loss = 0.03, .sigma = 15000, .reorder = true }, 0, 0.03 },
	{ "transcontinental: 100M 200ms 1%", { .rate = 100 * MBIT, .delay = 100000, .queue = 1250000, .loss = 0.01 }, { .delay = 100000, .loss = 0.01 }, 0, 0.01 },
	{ "lossy: 50M 100ms 10% bursts of 4", { .rate = 50 * MBIT, .delay = 50000, .queue = 625000, .burst = 0.0278, .burst_len = 4 },
	    { .delay = 50000, .burst = 0.0278, .burst_len = 4 }, 0, 0.1 },
	{ "satellite: 20M 600ms 0.5%", { .rate = 20 * MBIT, .delay = 300000, .queue = 500000, .loss = 0.005 }, { .delay = 300000, .loss = 0.005 }, 0, 0.005 },
	{ "1G 2ms q=1bdp loss 0.1%", { .rate = 1000 * MBIT, .delay = 1000, .queue = 250000, .loss = 0.001 }, { .delay = 1000, .loss = 0.001 }, 0, 0.001 },
};
#define NPATHS (sizeof(paths) / sizeof(paths[0]))

static const char *const profiles[] = { "fiber", "broadband", "wifi", "mobile", "transcontinental", "lossy", "satellite" };

struct sender {
	const char *name;
	enum wire_codec codec;
	enum kcp_cc cc;
	bool classic;
	struct classic_config old;
};

static const struct sender senders[] = {
	{ "session auto", WIRE_SESSION, KCP_CC_AUTO, false, { 0 } },
	{ "plain auto", WIRE_PLAIN, KCP_CC_AUTO, false, { 0 } },
	{ "classic fast3 nc=1 w=1024", WIRE_PLAIN, KCP_CC_AUTO, true, { .mtu = MTU, .snd_wnd = 1024, .interval_ms = 10, .resend = 2, .nodelay = true, .nc = true } },
	{ "classic nc=0 w=1024", WIRE_PLAIN, KCP_CC_AUTO, true, { .mtu = MTU, .snd_wnd = 1024, .interval_ms = 10, .resend = 2, .nodelay = true, .nc = false } },
};
#define NSENDERS (sizeof(senders) / sizeof(senders[0]))

static void
set_up(struct simflow *f, const struct sender *s)
{
	memset(f, 0, sizeof(*f));
	kcp_config_default(&f->cfg, s->codec);
	f->cfg.mtu = MTU;
	f->cfg.cc = s->cc;
	f->cfg.snd_wnd = f->cfg.rcv_wnd = 4096;
	f->cfg.rmt_wnd = s->codec == WIRE_SESSION ? 4096 : 0;
	if (s->classic) {
		f->sender = SIMFLOW_CLASSIC;
		f->classic = &s->old;
	}
}

static void
bulk(const struct path *p, const struct sender *s, uint64_t seed, uint64_t seconds)
{
	struct simflow f;
	struct simnet n;
	struct kcp_info i = { 0 }, r;
	double goodput, reach, necessary, head = s->codec == WIRE_SESSION ? 11 : 24;

	set_up(&f, s);
	f.peer_ack_delay_us = p->ack_delay;
	simnet_init(&n, &f, 1, &p->ab, &p->ba, seed);
	simnet_run(&n, seconds * SECOND);
	goodput = (double)f.bytes / (double)seconds;
	reach = (double)p->ab.rate * (1 - p->loss);
	necessary = (double)f.bytes * (MTU + SIMLINK_OVERHEAD) / (MTU - head) / (1 - p->loss);
	if (f.tx != NULL)
		kcp_get_info(f.tx, &i);
	kcp_get_info(f.rx, &r);
	printf("  %-27s %8.2f Mbit/s %5.1f%%  bytes %5.3fx  spurious %6.3f%% dup %6.3f%%  queue drops %6llu  rtt %5.1f ms\n", s->name, goodput * 8e-6,
	    100 * goodput / reach, (double)f.wire_bytes / necessary,
	    i.segments_sent > 0 ? 100.0 * (double)i.spurious / (double)i.segments_sent : 0.0, 100.0 * (double)r.duplicates / (double)r.segments_received,
	    (unsigned long long)n.ab.queue_drops,
	    f.rtt_n > 0 ? (double)f.rtt_sum / (double)f.rtt_n / 1000 : 0.0);
	simnet_dispose(&n);
}

static void
set_up_engine(struct simflow *f, const struct sender *s, uint64_t rtt)
{
	memset(f, 0, sizeof(*f));
	if (s->codec == WIRE_SESSION)
		f->handshake_rtt = rtt;
	kcp_config_default(&f->cfg, s->codec);
	f->cfg.mtu = MTU;
	f->cfg.rmt_wnd = s->codec == WIRE_SESSION ? f->cfg.rcv_wnd : 0;
	f->cfg.snd_buf = 3u << 20;
	f->cfg.snd_wnd = f->cfg.rcv_wnd_max = 8192;
}

/* As scripts/bench, but on a virtual clock: the emulator's own model of each path, the engine's default windows and send buffer. */
static void
emulated(const char *profile, const struct sender *s, uint64_t seed, uint64_t seconds)
{
	struct simlink_config link = { .profile = profile };
	struct simflow f;
	struct simnet n;
	struct kcp_info i, r;
	double rate, loss, limit, head = s->codec == WIRE_SESSION ? 11 : 24, tail;
	uint64_t half, rtt;

	simprofile_limits(profile, &rate, &loss, &rtt);
	set_up_engine(&f, s, rtt);
	simnet_init(&n, &f, 1, &link, &link, seed);
	simnet_run(&n, seconds * SECOND / 2);
	half = f.bytes;
	simnet_run(&n, seconds * SECOND);
	kcp_get_info(f.tx, &i);
	kcp_get_info(f.rx, &r);
	limit = rate / 8 * (1 - loss) * (MTU - head) / (MTU + SIMLINK_OVERHEAD);
	tail = (double)(f.bytes - half) / ((double)seconds / 2);
	printf("  %-17s %-13s %2llu s %7.2f Mbit/s %5.1f%% of the limit, 2nd half %5.1f%%  bytes %5.3fx  spurious %6.3f%% dup %6.3f%%  "
	    "queue drops %5llu  rtt %5.1f ms\n", profile, s->name, (unsigned long long)seconds, (double)f.bytes * 8e-6 / (double)seconds,
	    100 * (double)f.bytes / (double)seconds / limit, 100 * tail / limit,
	    (double)f.wire_bytes / ((double)f.bytes * (MTU + SIMLINK_OVERHEAD) / (MTU - head) / (1 - loss)),
	    100.0 * (double)i.spurious / (double)i.segments_sent, 100.0 * (double)r.duplicates / (double)r.segments_received,
	    (unsigned long long)n.ab.queue_drops, f.rtt_n > 0 ? (double)f.rtt_sum / (double)f.rtt_n / 1000 : 0.0);
	simnet_dispose(&n);
}

enum start_result { REACHED, AT_2, AT_5, AT_10, BYTES, START_RESULTS };

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* One flow of ten seconds: when a third of a second (or a round trip, if longer) first had 80 % of the limit, and what the first
 * seconds had. */
static void
start(const char *profile, const struct sender *s, uint64_t seed, double result[START_RESULTS])
{
	struct simlink_config link = { .profile = profile };
	double rate, loss, limit, head = s->codec == WIRE_SESSION ? 11 : 24;
	uint64_t rtt, span, seen[100 + 1] = { 0 };
	struct simflow f;
	struct simnet n;

	simprofile_limits(profile, &rate, &loss, &rtt);
	limit = rate / 8 * (1 - loss) * (MTU - head) / (MTU + SIMLINK_OVERHEAD);
	span = rtt > 300000 ? (rtt + 99999) / 100000 : 3;
	set_up_engine(&f, s, rtt);
	simnet_init(&n, &f, 1, &link, &link, seed);
	result[REACHED] = 10;
	for (uint64_t bin = 1; bin <= 100; bin++) {
		simnet_run(&n, bin * 100000);
		seen[bin] = f.bytes;
		if (bin >= span && result[REACHED] >= 10 && (double)(f.bytes - seen[bin - span]) >= 0.8 * limit * (double)span / 10)
			result[REACHED] = (double)(bin - span) / 10;
	}
	result[AT_2] = 100 * (double)seen[20] / 2 / limit;
	result[AT_5] = 100 * (double)seen[50] / 5 / limit;
	result[AT_10] = 100 * (double)seen[100] / 10 / limit;
	result[BYTES] = (double)f.wire_bytes / ((double)f.bytes * (MTU + SIMLINK_OVERHEAD) / (MTU - head) / (1 - loss));
	simnet_dispose(&n);
}

static void
starts(const char *profile, const struct sender *s, uint64_t seed)
{
	double results[START_RESULTS][START_SEEDS], one[START_RESULTS];

	for (uint64_t i = 0; i < START_SEEDS; i++) {
		start(profile, s, seed + i, one);
		for (unsigned r = 0; r < START_RESULTS; r++)
			results[r][i] = one[r];
	}
	for (unsigned r = 0; r < START_RESULTS; r++)
		qsort(results[r], START_SEEDS, sizeof(results[r][0]), compare);
	printf("  %-17s %-13s 80%% after %4.1f (most %4.1f) s;  of the limit over 2 s %5.1f (least %5.1f)  5 s %5.1f (%5.1f)  10 s %5.1f (%5.1f) %%  "
	    "bytes %5.3f (most %5.3f)\n", profile, s->name, results[REACHED][START_SEEDS / 2], results[REACHED][START_SEEDS - 1],
	    results[AT_2][START_SEEDS / 2], results[AT_2][0], results[AT_5][START_SEEDS / 2], results[AT_5][0], results[AT_10][START_SEEDS / 2],
	    results[AT_10][0], results[BYTES][START_SEEDS / 2], results[BYTES][START_SEEDS - 1]);
	fflush(stdout);
}

static void
thin(const struct simlink_config *link, const struct sender *s, bool redundancy, uint64_t seed, uint32_t period, uint64_t seconds)
{
	struct simflow f;
	struct simnet n;

	set_up(&f, s);
	f.cfg.redundancy = redundancy;
	f.message = 128;
	f.period = period;
	simnet_init(&n, &f, 1, link, link, seed);
	simnet_run(&n, seconds * SECOND);
	printf("  %-27s%s p50 %6.1f  p99 %6.1f  p99.9 %6.1f  max %6.1f ms  datagrams/message %.3f  bytes/message %.0f\n", s->name,
	    s->classic ? "    " : redundancy ? " +r " : " -r ", simflow_quantile(&f, 0.5, (seconds - 1) * SECOND) / 1000.0,
	    simflow_quantile(&f, 0.99, (seconds - 1) * SECOND) / 1000.0, simflow_quantile(&f, 0.999, (seconds - 1) * SECOND) / 1000.0,
	    simflow_quantile(&f, 1, (seconds - 1) * SECOND) / 1000.0, (double)f.datagrams / (double)f.messages, (double)f.wire_bytes / (double)f.messages);
	simnet_dispose(&n);
}

static void
thins(const struct simlink_config *link, uint64_t seed, uint32_t period)
{
	for (size_t j = 0; j < 3; j++)
		thin(link, &senders[j], true, seed, period, period / 100);
	thin(link, &senders[0], false, seed, period, period / 100);
}

static void
share(const char *name, enum simflow_sender a, enum simflow_sender b, uint64_t queue, uint64_t seed)
{
	struct simlink_config ab = { .rate = 20 * MBIT, .delay = 25000, .queue = queue }, ba = { .delay = 25000 };
	struct sender s[2] = { { "", WIRE_SESSION, KCP_CC_AUTO, false, { 0 } }, { "", WIRE_PLAIN, KCP_CC_AUTO, false, { 0 } } };
	struct simflow f[2];
	struct simnet n;
	uint64_t from[2];

	set_up(&f[0], &s[a != SIMFLOW_OURS]);
	set_up(&f[1], &s[b != SIMFLOW_OURS]);
	f[0].sender = a;
	f[1].sender = b;
	f[1].start = 5 * SECOND;
	simnet_init(&n, f, 2, &ab, &ba, seed);
	simnet_run(&n, 10 * SECOND);
	from[0] = f[0].bytes;
	from[1] = f[1].bytes;
	simnet_run(&n, 70 * SECOND);
	f[0].bytes -= from[0];
	f[1].bytes -= from[1];
	printf("  %-27s queue %3llu kB: %6.2f + %6.2f Mbit/s  first has %4.1f%%  Jain %.3f\n", name, (unsigned long long)queue / 1000,
	    (double)f[0].bytes * 8e-6 / 60, (double)f[1].bytes * 8e-6 / 60, 100.0 * (double)f[0].bytes / (double)(f[0].bytes + f[1].bytes),
	    simnet_jain(&n));
	simnet_dispose(&n);
}

int
main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	const char *only = argc > 2 ? argv[2] : "";

	printf("seed %llu\n", (unsigned long long)seed);
	for (size_t i = 0; i < NPATHS && strchr("b", only[0]); i++) {
		printf("%s\n", paths[i].name);
		for (size_t j = 0; j < NSENDERS && (only[0] == '\0' || j < 2); j++)
			bulk(&paths[i], &senders[j], seed, 10);
	}
	for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]) && strchr("e", only[0]); i++)
		for (size_t j = 0; j < 2; j++)
			for (uint64_t seconds = 6; seconds <= 20; seconds = seconds == 6 ? 10 : seconds * 2)
				emulated(profiles[i], &senders[j], seed, seconds);
	if (strchr("s", only[0]))
		printf("start of a flow, %u seeds: median (and worst)\n", START_SEEDS);
	for (size_t i = 0; i < (argc > 3 ? 1 : sizeof(profiles) / sizeof(profiles[0])) && strchr("s", only[0]); i++)
		for (size_t j = 0; j < 2; j++)
			starts(argc > 3 ? argv[3] : profiles[i], &senders[j], seed);
	for (int loss = 0; loss <= 10 && strchr("t", only[0]); loss = loss == 0 ? 2 : loss == 2 ? 5 : loss + 5) {
		for (uint32_t period = 20000; period <= 200000; period *= 10) {
			struct simlink_config link = { .rate = 20 * MBIT, .delay = 25000, .queue = 125000, .loss = loss / 100.0 };

			printf("thin: 128 bytes each %u ms, 50 ms, loss %d%%\n", period / 1000, loss);
			thins(&link, seed, period);
		}
	}
	for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]) && strchr("t", only[0]); i++) {
		struct simlink_config link = { .profile = profiles[i] };

		printf("thin: 128 bytes each 20 ms, %s\n", profiles[i]);
		thins(&link, seed, 20000);
	}
	if (strchr("f", only[0])) {
		printf("two flows, 20 Mbit/s, 50 ms, second 5 s later, measured from 10 s to 70 s\n");
		for (uint64_t q = 62500; q <= 500000; q *= 2) {
			share("ours + ours", SIMFLOW_OURS, SIMFLOW_OURS, q, seed);
			share("ours + Reno", SIMFLOW_OURS, SIMFLOW_RENO, q, seed);
			share("Reno + ours", SIMFLOW_RENO, SIMFLOW_OURS, q, seed);
			share("ours + CUBIC", SIMFLOW_OURS, SIMFLOW_CUBIC, q, seed);
			share("CUBIC + ours", SIMFLOW_CUBIC, SIMFLOW_OURS, q, seed);
			share("Reno + CUBIC", SIMFLOW_RENO, SIMFLOW_CUBIC, q, seed);
		}
	}
	return 0;
}
