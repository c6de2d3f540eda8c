#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "core/error.h"
#include "kcppair.h"
#include "checkmain.h"

#define CONV 0x11223344u
#define SECOND 1000000u

static const struct simlink_config clean = { .delay = 10000 };
/* 20 Mbit/s, 50 ms round trip, everything that can go wrong. */
static const struct simlink_config rough = {
	.rate = 2500000, .queue = 125000, .delay = 25000, .jitter = 8000, .reorder = true, .loss = 0.05, .burst = 0.003, .burst_len = 4,
	.dup = 0.02,
};

static struct kcp_config
config(enum wire_codec codec)
{
	struct kcp_config c;

	kcp_config_default(&c, codec);
	c.conv = CONV;
	return c;
}

/* Every byte says where it belongs. */
static uint8_t
pattern(uint64_t off, unsigned stream)
{
	return (uint8_t)((off * 2654435761u >> 13) + off + stream);
}

struct transfer {
	uint64_t written, read, total;
	unsigned stream;
};

static void
pump_out(struct transfer *t, struct kcp *k, uint64_t chunk, uint64_t now)
{
	uint8_t buf[4096];

	while (t->written < t->total) {
		size_t n = t->total - t->written < chunk ? t->total - t->written : chunk, took;

		for (size_t i = 0; i < n; i++)
			buf[i] = pattern(t->written + i, t->stream);
		took = kcppair_write(k, buf, n, now);
		t->written += took;
		if (took < n)
			break;
	}
}

static void
pump_in(struct transfer *t, struct kcp *k, size_t most, uint64_t now)
{
	uint8_t buf[4096];
	size_t n;

	while (most > 0 && (n = kcppair_read(k, buf, most < sizeof(buf) ? most : sizeof(buf), now)) > 0) {
		/* A passed assertion costs a system call. */
		for (size_t i = 0; i < n; i++)
			if (buf[i] != pattern(t->read + i, t->stream))
				ck_abort_msg("wrong byte at %llu", (unsigned long long)(t->read + i));
		t->read += n;
		most -= n;
	}
}

/* Both directions until all is read and acknowledged; returns the time it took. */
static uint64_t
exchange(struct kcppair *p, uint64_t ab, uint64_t ba, uint64_t chunk, uint64_t limit)
{
	struct transfer x = { .total = ab, .stream = 1 }, y = { .total = ba, .stream = 2 };
	uint64_t start = p->now;

	for (;;) {
		uint64_t next;

		pump_out(&x, p->a, chunk, p->now);
		pump_out(&y, p->b, chunk, p->now);
		kcppair_step(p);
		pump_in(&x, p->b, SIZE_MAX, p->now);
		pump_in(&y, p->a, SIZE_MAX, p->now);
		if (x.read == ab && y.read == ba && kcp_send_drained(p->a) && kcp_send_drained(p->b))
			break;
		next = kcppair_next(p);
		/* What just arrived may have made room for the writer. */
		if ((x.written < ab && kcp_send_room(p->a) > 0) || (y.written < ba && kcp_send_room(p->b) > 0))
			continue;
		if (next == UINT64_MAX)
			ck_abort_msg("nothing will ever happen: %llu of %llu, %llu of %llu read", (unsigned long long)x.read,
		    (unsigned long long)ab, (unsigned long long)y.read, (unsigned long long)ba);
		if (next > p->now)
			p->now = next;
		if (p->now - start >= limit)
			ck_abort_msg("too slow: %llu of %llu, %llu of %llu read", (unsigned long long)x.read,
		    (unsigned long long)ab, (unsigned long long)y.read, (unsigned long long)ba);
	}
	return p->now - start;
}

static const struct {
	enum wire_codec codec;
	enum kcp_cc cc;
	bool stream;
	uint32_t wnd, mtu;
	const struct simlink_config *link;
	uint64_t chunk;
} flows[] = {
	{ WIRE_PLAIN, KCP_CC_AUTO, true, 1024, 1400, &clean, 4096 },
	{ WIRE_PLAIN, KCP_CC_AUTO, true, 128, 1400, &rough, 4096 },
	{ WIRE_PLAIN, KCP_CC_NONE, true, 32, 576, &rough, 1000 },
	{ WIRE_PLAIN, KCP_CC_KCP, false, 128, 1400, &rough, 4000 },
	{ WIRE_PLAIN, KCP_CC_AUTO, false, 16, 50, &rough, 100 },
	{ WIRE_SESSION, KCP_CC_AUTO, true, 4096, 1400, &clean, 4096 },
	{ WIRE_SESSION, KCP_CC_AUTO, true, 512, 1400, &rough, 4096 },
	{ WIRE_SESSION, KCP_CC_KCP, true, 128, 1200, &rough, 777 },
	{ WIRE_SESSION, KCP_CC_NONE, true, 256, 1400, &rough, 4096 },
	{ WIRE_SESSION, KCP_CC_AUTO, true, 1, 60, &rough, 10 },
};

START_TEST(bytes_arrive)
{
	struct kcp_config c = config(flows[_i].codec);
	uint64_t total = flows[_i].mtu < 100 ? 5000 : 400000;

	c.cc = flows[_i].cc;
	c.stream = flows[_i].stream;
	c.snd_wnd = c.rcv_wnd = c.rmt_wnd = flows[_i].wnd;
	c.mtu = flows[_i].mtu;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		struct kcppair p;

		kcppair_init(&p, &c, flows[_i].link, flows[_i].link, seed, seed * 0xfffff000u);
		exchange(&p, total, total / 3, flows[_i].chunk, 200u * SECOND);
		kcppair_dispose(&p);
	}
}
END_TEST

START_TEST(fin_both_ways)
{
	struct kcp_config c = config(WIRE_SESSION);
	uint8_t buf[100];

	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct kcppair p;

		kcppair_init(&p, &c, &rough, &rough, seed, 0);
		ck_assert_uint_eq(kcppair_write(p.a, (const uint8_t *)"hello", 5, 0), 5);
		ck_assert_int_eq(kcp_send_fin(p.a, 0), 0);
		ck_assert_int_eq(kcp_send_fin(p.a, 0), KCPSHIM_E_STATE);
		ck_assert_uint_eq(kcp_send_room(p.a), 0);
		ck_assert(!kcp_send_drained(p.a));
		kcppair_run(&p, 3 * SECOND);
		ck_assert(kcp_send_drained(p.a));
		ck_assert(kcp_recv_fin_received(p.b));
		ck_assert(!kcp_recv_eof(p.b));
		ck_assert_uint_eq(kcppair_read(p.b, buf, sizeof(buf), p.now), 5);
		ck_assert(kcp_recv_eof(p.b));
		/* The other direction goes on, and ends with nothing to carry the end. */
		ck_assert_uint_eq(kcppair_write(p.b, (const uint8_t *)"bye", 3, p.now), 3);
		kcppair_run(&p, 6 * SECOND);
		ck_assert_int_eq(kcp_send_fin(p.b, p.now), 0);
		kcppair_run(&p, 9 * SECOND);
		ck_assert_uint_eq(kcppair_read(p.a, buf, sizeof(buf), p.now), 3);
		ck_assert(kcp_recv_eof(p.a));
		ck_assert(kcp_send_drained(p.b));
		kcppair_dispose(&p);
	}
}
END_TEST

/* One exchange: datagrams that it took both ways. The answer is given after `pause`. */
static uint64_t
ask(struct kcppair *p, uint64_t pause)
{
	uint64_t sent = p->ab.offered + p->ba.offered;
	uint8_t buf[10];

	kcppair_write(p->a, (const uint8_t *)"ask", 3, p->now);
	kcppair_run(p, p->now + 100 + pause);
	ck_assert_uint_eq(kcppair_read(p->b, buf, sizeof(buf), p->now), 3);
	kcppair_write(p->b, (const uint8_t *)"answer", 6, p->now);
	kcppair_run(p, p->now + 100);
	ck_assert_uint_eq(kcppair_read(p->a, buf, sizeof(buf), p->now), 6);
	return p->ab.offered + p->ba.offered - sent;
}

START_TEST(answers_acknowledge)
{
	static const struct simlink_config near = { .delay = 50 }, far = { .delay = 5000 };
	struct kcp_config c = config((enum wire_codec)_i);
	uint64_t taken = 0, rtt;
	struct kcp_info info;
	struct kcppair p;

	c.redundancy = false;
	kcppair_init(&p, &c, &near, &near, 1, 5);
	for (int i = 0; i < 10; i++)
		taken = ask(&p, 10);
	ck_assert_uint_eq(taken, _i == WIRE_SESSION ? 2 : 4);
	kcp_get_info(p.a, &info);
	ck_assert_uint_le(rtt = info.srtt_us, 130);
	/* One that does not come is waited for once, and not for long. */
	(void)ask(&p, 2000);
	ck_assert(kcp_send_drained(p.a));
	kcp_get_info(p.a, &info);
	ck_assert_uint_le(info.srtt_us, rtt + 10);
	ck_assert_uint_eq(info.retransmits, 0);
	ck_assert_uint_eq(ask(&p, 2000), _i == WIRE_SESSION ? 3 : 4);
	kcppair_dispose(&p);
	/* Where the path is long, nothing is risked. */
	kcppair_init(&p, &c, &far, &far, 1, 5);
	for (int i = 0; i < 10; i++) {
		kcppair_write(p.a, (const uint8_t *)"ask", 3, p.now);
		kcppair_run(&p, p.now + 5010);
		ck_assert_uint_eq(kcppair_read(p.b, (uint8_t [10]){ 0 }, 10, p.now), 3);
		kcppair_write(p.b, (const uint8_t *)"answer", 6, p.now);
		kcppair_run(&p, p.now + 5010);
		ck_assert_uint_eq(kcppair_read(p.a, (uint8_t [10]){ 0 }, 10, p.now), 6);
	}
	kcppair_run(&p, p.now + SECOND);
	ck_assert_uint_eq(p.ba.offered, 20);
	kcppair_dispose(&p);
}
END_TEST

START_TEST(nothing_to_do_when_idle)
{
	struct kcp_config c = config((enum wire_codec)_i);
	struct kcppair p;
	uint8_t buf[10];
	size_t used;

	kcppair_init(&p, &c, &clean, &clean, 1, 5);
	used = mem_used(p.mem);
	ck_assert_uint_le(used, 2 * 1250);
	ck_assert_uint_eq(kcp_deadline(p.a), KCP_NEVER);
	kcppair_write(p.a, (const uint8_t *)"x", 1, 5);
	kcppair_run(&p, 10 * SECOND);
	ck_assert_uint_eq(kcppair_read(p.b, buf, sizeof(buf), p.now), 1);
	kcppair_run(&p, 20 * SECOND);
	ck_assert_uint_eq(kcp_deadline(p.a), KCP_NEVER);
	ck_assert_uint_eq(kcp_deadline(p.b), KCP_NEVER);
	/* What a flow grew it gives back, but for a short list of plain acknowledgements. */
	ck_assert_uint_le(mem_used(p.mem), used + 128);
	kcppair_dispose(&p);
}
END_TEST

START_TEST(closed_window_opens_again)
{
	struct kcp_config c = config(WIRE_PLAIN);
	struct simlink_config lossy = rough;
	struct kcppair p;
	struct transfer t = { .total = 300000, .stream = 1 };
	struct kcp_info i;

	c.codec = (enum wire_codec)(_i % 2);
	c.rcv_wnd = 32;
	lossy.loss = _i < 2 ? 0 : 0.3;
	kcppair_init(&p, &c, &lossy, &lossy, 3, 0);
	while (t.read < t.total) {
		uint64_t until = p.now + 5 * SECOND, before = t.read;

		pump_out(&t, p.a, 4096, p.now);
		kcppair_run(&p, until);
		kcp_get_info(p.b, &i);
		ck_assert_uint_le(i.readable_bytes, 32 * 1400);
		/* The reader sleeps and then takes a little. */
		pump_in(&t, p.b, 40000, p.now);
		ck_assert_uint_gt(t.read, before);
	}
	kcppair_dispose(&p);
}
END_TEST

START_TEST(large_segments_do_not_widen_the_window)
{
	struct kcp_config c = config(WIRE_SESSION);
	struct simlink_config link = clean;
	struct kcppair p;
	struct transfer t = { .total = 300000, .stream = 1 };
	struct kcp_info i;

	c.mtu = 2000;
	c.rcv_wnd = 32;
	kcppair_init(&p, &c, &link, &link, 3, 0);
	while (t.read < t.total) {
		uint64_t until = p.now + 5 * SECOND, before = t.read;

		while (p.now < until) {
			pump_out(&t, p.a, 4096, p.now);
			kcppair_run(&p, p.now + SECOND / 10);
		}
		kcp_get_info(p.b, &i);
		ck_assert_uint_le(i.readable_bytes, 32 * 1400 + 2000);
		pump_in(&t, p.b, 20000, p.now);
		ck_assert_uint_gt(t.read, before);
	}
	kcppair_dispose(&p);
}
END_TEST

START_TEST(long_messages_cannot_deadlock)
{
	struct kcp_config c = config(WIRE_PLAIN);
	struct kcp *k;
	struct mem *m = mem_new(0);
	uint8_t buf[64], out[8];
	unsigned got = 0;

	c.rcv_wnd = 16;
	k = kcp_new(m, &c, 0);
	/* 200 fragments of one message, of which only 16 fit the window at once. */
	for (uint32_t sn = 0; sn < 200; sn++) {
		struct wire_frame f = { .type = WIRE_DATA, .sn = sn, .frg = (uint8_t)(199 - sn), .data = (const uint8_t *)"abc", .len = 3 };
		struct wire_writer w;

		wire_writer_init(&w, WIRE_PLAIN, CONV, buf, sizeof(buf));
		wire_put(&w, &f);
		kcppair_feed(k, WIRE_PLAIN, CONV, buf, w.len, sn * 1000);
		while (kcp_recv_ready(k) > 0)
			got += (unsigned)kcppair_read(k, out, sizeof(out), sn * 1000);
	}
	ck_assert_uint_eq(got, 600);
	mem_destroy(m);
}
END_TEST

START_TEST(messages_are_fragmented)
{
	struct kcp_config c = config(WIRE_PLAIN);
	struct mem *m = mem_new(0);
	struct kcp *k;
	uint8_t data[3000] = { 0 }, buf[1500];
	unsigned expect[] = { 2, 1, 0, 0 }, n = 0;

	c.stream = false;
	k = kcp_new(m, &c, 0);
	kcppair_write(k, data, 3000, 0);
	kcppair_write(k, data, 10, 0);
	for (uint64_t now = 0; now < 100000; now += 1000) {
		struct wire_writer w;
		struct wire_reader r;
		struct wire_frame f;

		wire_writer_init(&w, WIRE_PLAIN, CONV, buf, 1400);
		if (!kcp_output(k, &w, now))
			continue;
		wire_reader_init(&r, WIRE_PLAIN, CONV, buf, w.len);
		while (wire_next(&r, &f) > 0) {
			ck_assert_uint_lt(n, 4);
			ck_assert_uint_eq(f.frg, expect[n++]);
		}
	}
	ck_assert_uint_eq(n, 4);
	/* The peer's window bounds a message, so that its reader never waits for what it has no room for. */
	ck_assert_uint_le(kcp_send_room(k), (size_t)c.snd_wnd * 1376);
	{
		struct iovec iov[300];
		int filled = kcp_send_reserve(k, iov, 300, SIZE_MAX);

		ck_assert_int_eq(filled, 64);
	}
	mem_destroy(m);
}
END_TEST

START_TEST(smaller_mtu_at_once)
{
	struct kcp_config c = config((enum wire_codec)(_i & 1));
	struct kcppair p;
	struct transfer t = { .total = 100000, .stream = 1 };

	c.stream = (_i & 2) != 0 || (_i & 1) == WIRE_SESSION;
	c.rate = 200000;
	kcppair_init(&p, &c, &clean, &clean, 1, 0);
	pump_out(&t, p.a, 4096, 0);
	ck_assert_uint_eq(t.written, t.total);
	kcppair_run(&p, 30000);
	ck_assert_int_eq(kcp_set_mtu(p.a, 300, p.now), 0);
	ck_assert_int_eq(kcp_set_mtu(p.a, 20, p.now), KCPSHIM_E_RANGE);
	if (c.codec == WIRE_SESSION)
		kcp_send_fin(p.a, p.now);
	while (!kcp_send_drained(p.a)) {
		uint8_t buf[1500];
		struct wire_writer w;

		wire_writer_init(&w, c.codec, CONV, buf, 1400);
		while (kcp_output(p.a, &w, p.now)) {
			/* Nothing is lost on this path, so all that leaves now was cut for the new mtu. */
			ck_assert_uint_le(w.len, 300);
			simlink_send(&p.ab, buf, w.len, p.now);
			wire_writer_init(&w, c.codec, CONV, buf, 1400);
		}
		kcppair_run(&p, p.now + 1000);
		pump_in(&t, p.b, SIZE_MAX, p.now);
		ck_assert_uint_lt(p.now, 60u * SECOND);
	}
	ck_assert_uint_eq(t.read, t.total);
	ck_assert_int_eq(kcp_recv_eof(p.b), c.codec == WIRE_SESSION);
	kcppair_dispose(&p);
}
END_TEST

START_TEST(forged_acknowledgements_change_nothing)
{
	struct kcp_config c = config(WIRE_SESSION);
	struct mem *m = mem_new(0);
	struct kcp *k = kcp_new(m, &c, 0);
	struct wire_frame f = { .type = WIRE_ACK, .una = 2, .wnd = 100, .has_ts = true };
	struct wire_writer w;
	uint8_t buf[1500];

	kcppair_write(k, (const uint8_t *)"x", 1, 0);
	wire_writer_init(&w, WIRE_SESSION, 0, buf, 1400);
	ck_assert(kcp_output(k, &w, 0));
	ck_assert_int_eq(kcp_input(k, &f, 10), KCPSHIM_E_STATE);
	f.una = 0xffffff00u;
	kcp_input(k, &f, 10);
	f.una = 0;
	f.nranges = 1;
	f.ranges[0] = (struct wire_range){ 1, 0x7fffffff };
	kcp_input(k, &f, 10);
	kcp_input_done(k, 10);
	ck_assert(!kcp_send_drained(k));
	f.una = 1;
	f.nranges = 0;
	ck_assert_int_eq(kcp_input(k, &f, 20), 0);
	kcp_input_done(k, 20);
	ck_assert(kcp_send_drained(k));
	mem_destroy(m);
}
END_TEST

START_TEST(nothing_after_the_end)
{
	struct kcp_config c = config(WIRE_SESSION);
	struct mem *m = mem_new(0);
	struct kcp *k = kcp_new(m, &c, 0);
	struct wire_frame f = { .type = WIRE_DATA, .sn = 2, .fin = true, .data = (const uint8_t *)"x", .len = 1 };

	ck_assert_int_eq(kcp_input(k, &f, 0), 0);
	f.sn = 3;
	ck_assert_int_eq(kcp_input(k, &f, 0), KCPSHIM_E_STATE);
	f.fin = false;
	ck_assert_int_eq(kcp_input(k, &f, 0), KCPSHIM_E_STATE);
	f.sn = 0;
	ck_assert_int_eq(kcp_input(k, &f, 0), 0);
	ck_assert(!kcp_recv_fin_received(k));
	f.sn = 1;
	ck_assert_int_eq(kcp_input(k, &f, 0), 0);
	ck_assert(kcp_recv_fin_received(k));
	mem_destroy(m);
}
END_TEST

/* Islands in every order: what is acknowledged is what was received. */
static void
check_ranges(const uint8_t *buf, size_t len, const bool *have, uint32_t span)
{
	struct wire_reader r;
	struct wire_frame f;
	uint32_t una = 0;

	while (una < span && have[una])
		una++;
	wire_reader_init(&r, WIRE_SESSION, 0, buf, len);
	ck_assert_int_eq(wire_next(&r, &f), 1);
	do {
		ck_assert_int_eq(f.type, WIRE_ACK);
		ck_assert_uint_eq(f.una, una);
		for (unsigned i = 0; i < f.nranges; i++)
			for (uint32_t j = 0; j < f.ranges[i].count; j++)
				if (f.ranges[i].first + j >= span || !have[f.ranges[i].first + j])
					ck_abort_msg("%u was never received", f.ranges[i].first + j);
	} while (wire_next(&r, &f) > 0);
}

/* Segments that come one by one, each answered. */
static void
receive(struct kcp *k, uint32_t sn, bool *have, uint32_t span, uint64_t now)
{
	struct wire_frame f = { .type = WIRE_DATA, .sn = sn, .data = (const uint8_t *)"x", .len = 1, .has_ts = true };
	struct wire_writer w;
	uint8_t buf[1400];

	have[sn] = true;
	ck_assert_int_eq(kcp_input(k, &f, now), 0);
	wire_writer_init(&w, WIRE_SESSION, 0, buf, sizeof(buf));
	ck_assert(kcp_output(k, &w, now));
	check_ranges(buf, w.len, have, span);
}

START_TEST(ranges_tell_the_truth)
{
	uint64_t rng = 1000 + (uint64_t)_i;
	struct kcp_config c = config(WIRE_SESSION);
	struct mem *m = mem_new(0);
	struct kcp *k;
	bool have[600] = { false };
	uint32_t span = 20 + simlink_random(&rng) % 580, sent = 0;

	c.rcv_wnd = 600;
	k = kcp_new(m, &c, 0);
	for (uint64_t now = 1; sent < span; now++) {
		uint32_t sn = simlink_random(&rng) % span;

		sent += !have[sn];
		receive(k, sn, have, span, now);
	}
	ck_assert_uint_eq(kcp_recv_ready(k), span);
	mem_destroy(m);
}
END_TEST

/* More islands than an ACK can name, of one and two segments in turn, while the holes between them are filled. */
START_TEST(walk_meets_merged_islands)
{
	uint64_t rng = 2000 + (uint64_t)_i, now = 1;
	struct kcp_config c = config(WIRE_SESSION);
	struct mem *m = mem_new(0);
	struct kcp *k = kcp_new(m, &c, 0);
	bool have[500] = { false };

	kcp_set_wndsize(k, 600, 600, 0);
	for (uint32_t sn = 1; sn < 500; sn++)
		if (sn % 5 != 0 && sn % 5 != 2)
			receive(k, sn, have, 500, now++);
	for (unsigned i = 0; i < 400; i++) {
		uint32_t sn = 10 + simlink_random(&rng) % 98 * 5;

		receive(k, sn + (simlink_random(&rng) & 1) * 2, have, 500, now++);
	}
	mem_destroy(m);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("kcp");

	tcase_add_loop_test(t, bytes_arrive, 0, sizeof(flows) / sizeof(flows[0]));
	tcase_add_test(t, fin_both_ways);
	tcase_add_loop_test(t, answers_acknowledge, 0, 2);
	tcase_add_loop_test(t, nothing_to_do_when_idle, 0, 2);
	tcase_add_loop_test(t, closed_window_opens_again, 0, 4);
	tcase_add_test(t, large_segments_do_not_widen_the_window);
	tcase_add_test(t, long_messages_cannot_deadlock);
	tcase_add_test(t, messages_are_fragmented);
	tcase_add_loop_test(t, smaller_mtu_at_once, 0, 4);
	tcase_add_test(t, forged_acknowledgements_change_nothing);
	tcase_add_test(t, nothing_after_the_end);
	tcase_add_loop_test(t, ranges_tell_the_truth, 0, 30);
	tcase_add_loop_test(t, walk_meets_merged_islands, 0, 20);
	return check_main("kcp", t);
}
