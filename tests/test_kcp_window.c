/* Receive windows that become smaller while segments are on their way. */
#include <string.h>

#include <check.h>

#include "checkmain.h"
#include "core/kcp.h"
#include "kcppair.h"

#define CONV 0x11223344u
#define SECOND 1000000u
#define TOTAL 2000000u
#define PEER_WND 1000u
#define MTU 1400u
#define RTT 5000u

static const struct simlink_config clean = { .delay = 1000 };
static const struct simlink_config lossy = { .delay = 1000, .loss = 0.05 };

static const struct {
	enum wire_codec codec;
	enum kcp_cc cc;
} kinds[] = {
	{ WIRE_SESSION, KCP_CC_AUTO }, { WIRE_SESSION, KCP_CC_KCP }, { WIRE_SESSION, KCP_CC_NONE },
	{ WIRE_PLAIN, KCP_CC_AUTO }, { WIRE_PLAIN, KCP_CC_KCP }, { WIRE_PLAIN, KCP_CC_NONE },
};

static struct kcp_config
config(int kind)
{
	struct kcp_config c;

	kcp_config_default(&c, kinds[kind].codec);
	c.conv = CONV;
	c.cc = kinds[kind].cc;
	c.stream = true;
	return c;
}

static void
write_more(struct kcp *k, uint64_t *written, uint64_t now)
{
	uint8_t buf[4000] = { 0 };
	size_t took = sizeof(buf);

	while (*written < TOTAL && took == sizeof(buf)) {
		size_t n = TOTAL - *written < sizeof(buf) ? TOTAL - *written : sizeof(buf);

		took = kcppair_write(k, buf, n, now);
		*written += took;
	}
}

static size_t
read_all(struct kcp *k, uint64_t now)
{
	uint8_t buf[4096];
	size_t n, got = 0;

	while ((n = kcppair_read(k, buf, sizeof(buf), now)) > 0)
		got += n;
	return got;
}

/* The receiving program changes its mind every few milliseconds. */
START_TEST(changed_under_way)
{
	static const uint32_t sizes[] = { 40, 1024, 8, 400, 1 };
	struct kcp_config c = config(_i);
	uint64_t written = 0, read = 0;
	struct kcppair p;

	c.rcv_wnd = c.snd_wnd = c.rmt_wnd = 1024;
	kcppair_init(&p, &c, &lossy, &lossy, 7, 0);
	for (unsigned i = 0; read < TOTAL; i++) {
		write_more(p.a, &written, p.now);
		kcppair_run(&p, p.now + 5000);
		read += read_all(p.b, p.now);
		ck_assert_int_eq(kcp_set_wndsize(p.b, 1024, sizes[i % 5], p.now), 0);
		/* In the worst of the kinds the classic rules make two segments of it for each round trip. */
		ck_assert_uint_lt(p.now, 60u * SECOND);
	}
	kcppair_dispose(&p);
}
END_TEST

/* What was promised is taken, though the window is smaller by now, and not more than that. */
START_TEST(promises_are_kept)
{
	struct kcp_config c = config(_i);
	uint64_t written = 0;
	struct kcp_info before, after;
	struct kcppair p;

	c.rcv_wnd = c.snd_wnd = c.rmt_wnd = 200;
	c.cc = KCP_CC_NONE;
	kcppair_init(&p, &c, &clean, &clean, 1, 0);
	write_more(p.a, &written, p.now);
	kcppair_run(&p, 3000);
	ck_assert_int_eq(kcp_set_wndsize(p.b, 200, 10, p.now), 0);
	kcppair_run(&p, 10 * SECOND);
	kcp_get_info(p.a, &before);
	kcp_get_info(p.b, &after);
	ck_assert_uint_eq(before.retransmits, before.probes);
	ck_assert_uint_eq(after.segments_received, 200);
	ck_assert_uint_eq(before.rmt_wnd, 0);
	kcppair_dispose(&p);
}
END_TEST

/* A receiver that takes its promises back, as other implementations do when they are given a smaller window. */
struct peer {
	uint32_t nxt, wnd;
	bool have[TOTAL / 100];
};

static void
answer(struct kcp *k, const struct peer *peer, const struct wire_frame *data, uint64_t now)
{
	struct wire_frame f = { .type = WIRE_ACK, .una = peer->nxt, .wnd = peer->wnd, .has_ts = true, .ts = data->ts };
	enum wire_codec codec = kcp_get_config(k)->codec;
	struct wire_writer w;
	uint8_t buf[200];

	f.sn = data->sn;
	if (codec == WIRE_SESSION && data->sn > peer->nxt) {
		f.nranges = 1;
		f.ranges[0] = (struct wire_range){ data->sn, 1 };
	}
	wire_writer_init(&w, codec, CONV, buf, sizeof(buf));
	wire_writer_stamp(&w, peer->nxt, peer->wnd, 0);
	ck_assert(wire_put(&w, &f));
	ck_assert_int_eq(kcppair_feed(k, codec, CONV, buf, w.len, now), 0);
}

static void
deliver(struct kcp *k, struct peer *peer, const uint8_t *buf, size_t len, uint64_t now)
{
	struct wire_reader r;
	struct wire_frame f;

	ck_assert_int_eq(wire_reader_init(&r, kcp_get_config(k)->codec, CONV, buf, len), 0);
	while (wire_next(&r, &f) > 0) {
		if (f.type != WIRE_DATA || f.sn >= peer->nxt + peer->wnd)
			continue;
		peer->have[f.sn] = true;
		while (peer->have[peer->nxt])
			peer->nxt++;
		answer(k, peer, &f, now);
	}
}

/* What is due at `now`, as datagrams into `flight`; returns how many. */
static unsigned
put_all(struct kcp *k, uint8_t flight[][MTU], size_t *len, uint64_t now)
{
	struct wire_writer w;
	unsigned n = 0;

	wire_writer_init(&w, kcp_get_config(k)->codec, CONV, flight[0], MTU);
	while (n < PEER_WND && kcp_output(k, &w, now)) {
		len[n++] = w.len;
		wire_writer_init(&w, kcp_get_config(k)->codec, CONV, flight[n], MTU);
	}
	return n;
}

/* With the first words of the small window all is lost that would have filled the large one. */
START_TEST(broken_promises)
{
	struct kcp_config c = config(_i);
	static uint8_t flight[PEER_WND + 1][MTU];
	static size_t len[PEER_WND + 1];
	struct mem *m = mem_new(0);
	uint64_t written = 0, now = 1000;
	unsigned rounds = 0, lost = 0;
	struct peer peer = { .wnd = PEER_WND };
	struct kcp *k;

	c.snd_wnd = c.rmt_wnd = PEER_WND;
	k = kcp_new(m, &c, now);
	for (; !kcp_send_drained(k) || written < TOTAL; rounds++) {
		unsigned n;
		bool drop;

		write_more(k, &written, now);
		n = put_all(k, flight, len, now);
		now += RTT;
		drop = peer.nxt > 300 && lost < 300;
		if (drop) {
			lost += n;
			peer.wnd = 40;
		}
		for (unsigned i = drop && n > 0 ? n - 1 : 0; i < n; i++)
			deliver(k, &peer, flight[i], len[i], now);
		if (n == 0 && !kcp_send_drained(k)) {
			ck_assert(kcp_deadline(k) != KCP_NEVER);
			now = kcp_deadline(k) > now ? kcp_deadline(k) : now;
		}
		ck_assert_uint_lt(now, 10 * SECOND);
	}
	mem_destroy(m);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("kcp_window");
	int n = sizeof(kinds) / sizeof(kinds[0]);

	tcase_add_loop_test(t, changed_under_way, 0, n);
	tcase_add_loop_test(t, promises_are_kept, 0, n);
	tcase_add_loop_test(t, broken_promises, 0, n);
	return check_main("kcp_window", t);
}
