#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "core/error.h"
#include "core/wire.h"
#include "simlink.h"
#include "checkmain.h"

#define SEED 7u

START_TEST(plain_bytes)
{
	static const uint8_t expect[] = {
		0x44, 0x33, 0x22, 0x11, 81, 2, 0xff, 0xff, 4, 3, 2, 1, 8, 7, 6, 5, 0x0c, 0x0b, 0x0a, 9, 3, 0, 0, 0, 'a', 'b', 'c',
	};
	struct wire_frame f = { .type = WIRE_DATA, .sn = 0x05060708, .frg = 2, .data = (const uint8_t *)"abc", .len = 3 }, g;
	struct wire_writer w;
	struct wire_reader r;
	uint8_t buf[100];

	wire_writer_init(&w, WIRE_PLAIN, 0x11223344, buf, 27 + 24);
	ck_assert(wire_writer_empty(&w));
	/* A window above 16 bits must not wrap to a closed one. */
	wire_writer_stamp(&w, 0x090a0b0c, 65536, 0x01020304);
	ck_assert(wire_put(&w, &f));
	ck_assert_mem_eq(buf, expect, sizeof(expect));
	ck_assert_uint_eq(w.len, sizeof(expect));
	ck_assert_uint_eq(wire_writer_data_room(&w), 0);
	ck_assert(!wire_put(&w, &f));
	f = (struct wire_frame){ .type = WIRE_ACK, .sn = 9, .ts = 77 };
	ck_assert(wire_put(&w, &f));
	f.type = WIRE_PING;
	ck_assert(!wire_put(&w, &f));

	ck_assert_int_eq(wire_reader_init(&r, WIRE_PLAIN, 0x11223344, buf, w.len), 0);
	ck_assert_int_eq(wire_next(&r, &g), 1);
	ck_assert_int_eq(g.type, WIRE_DATA);
	ck_assert_uint_eq(g.frg, 2);
	ck_assert_uint_eq(g.wnd, 65535);
	ck_assert_uint_eq(g.una, 0x090a0b0c);
	ck_assert_uint_eq(g.ts, 0x01020304);
	ck_assert_mem_eq(g.data, "abc", 3);
	ck_assert_int_eq(wire_next(&r, &g), 1);
	ck_assert_int_eq(g.type, WIRE_ACK);
	ck_assert_uint_eq(g.ts, 77);
	ck_assert_uint_eq(g.sn, 9);
	ck_assert_int_eq(wire_next(&r, &g), 0);
}
END_TEST

static const struct {
	const char *name;
	uint8_t bytes[40];
	size_t len;
	int frames, end;
} session_cases[] = {
	{ "no prefix", { 1, 2, 3 }, 3, 0, KCPSHIM_E_SHORT },
	{ "nothing", { 1, 2, 3, 4 }, 4, 0, 0 },
	{ "padding hides the rest", { 0, 0, 0, 0, 4, 0, 0xff, 0xff }, 8, 1, 0 },
	{ "unknown type", { 0, 0, 0, 0, 4, 0x0f, 4 }, 7, 1, KCPSHIM_E_FORMAT },
	{ "ecn, wask", { 0, 0, 0, 0, 0x0e, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 4 }, 22, 2, 0 },
	{ "ecn cut", { 0, 0, 0, 0, 0x0e, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0 }, 20, 0, KCPSHIM_E_SHORT },
	{ "parity cut short", { 0, 0, 0, 0, 0x0d, 1, 0, 0, 0, 10, 10, 3, 0, 2, 0, 7 }, 16, 0, KCPSHIM_E_SHORT },
	{ "unknown type 0xff", { 0, 0, 0, 0, 0xff }, 5, 0, KCPSHIM_E_FORMAT },
	{ "data header cut", { 0, 0, 0, 0, 1, 0, 0, 0, 0, 0 }, 10, 0, KCPSHIM_E_SHORT },
	{ "data payload cut", { 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 9 }, 12, 0, KCPSHIM_E_SHORT },
	{ "empty fin", { 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0 }, 11, 1, 0 },
	{ "ack cut", { 0, 0, 0, 0, 3, 0 }, 6, 0, KCPSHIM_E_SHORT },
	{ "ack ranges cut", { 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1 }, 23, 0, KCPSHIM_E_SHORT },
	{ "ack range empty", { 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0 }, 24, 0, KCPSHIM_E_FORMAT },
	{ "ack with 33 ranges", { 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 33 }, 40, 0, KCPSHIM_E_FORMAT },
	{ "part", { 0, 0, 0, 0, 11, 1, 0, 0, 0, 2, 0, 4, 0, 2, 0, 'c', 'd' }, 17, 1, 0 },
	{ "part cut", { 0, 0, 0, 0, 11, 1, 0, 0, 0, 2, 0, 4, 0, 2, 0, 'c' }, 16, 0, KCPSHIM_E_SHORT },
	{ "part header cut", { 0, 0, 0, 0, 11, 1, 0, 0, 0, 2, 0, 4, 0, 2 }, 14, 0, KCPSHIM_E_SHORT },
	{ "part empty", { 0, 0, 0, 0, 11, 1, 0, 0, 0, 2, 0, 4, 0, 0, 0 }, 15, 0, KCPSHIM_E_FORMAT },
	{ "part beyond its segment", { 0, 0, 0, 0, 12, 1, 0, 0, 0, 3, 0, 4, 0, 2, 0, 'c', 'd' }, 17, 0, KCPSHIM_E_FORMAT },
	{ "rst, wask", { 0, 0, 0, 0, 8, 1, 0, 4 }, 8, 2, 0 },
	{ "ping cut", { 0, 0, 0, 0, 6, 1, 2, 3, 4, 5, 6, 7 }, 12, 0, KCPSHIM_E_SHORT },
};

START_TEST(session_edges)
{
	struct wire_reader r;
	struct wire_frame f;
	int rc, frames = 0;

	rc = wire_reader_init(&r, WIRE_SESSION, 0, session_cases[_i].bytes, session_cases[_i].len);
	while (rc == 0 && (rc = wire_next(&r, &f)) > 0) {
		frames++;
		rc = 0;
	}
	ck_assert_msg(rc == session_cases[_i].end, "%s: ended with %d", session_cases[_i].name, rc);
	ck_assert_msg(frames == session_cases[_i].frames, "%s: %d frames", session_cases[_i].name, frames);
	/* An error ends the reading for good. */
	if (session_cases[_i].len >= WIRE_SESSION_PREFIX)
		ck_assert_int_le(wire_next(&r, &f), 0);
}
END_TEST

static struct wire_frame
random_frame(uint64_t *rng, const uint8_t *payload)
{
	struct wire_frame f;
	uint32_t at;

	memset(&f, 0, sizeof(f));
	f.type = (enum wire_type)(simlink_random(rng) % (WIRE_ECN + 1));
	switch (f.type) {
	case WIRE_DATA:
		f.sn = (uint32_t)simlink_random(rng);
		f.len = simlink_random(rng) % 300;
		f.data = payload;
		f.fin = simlink_random(rng) % 2;
		if (f.len > 0 && simlink_random(rng) % 4 == 0) {
			f.offset = simlink_random(rng) % 60000;
			f.total = f.offset + f.len + simlink_random(rng) % 1000;
		}
		break;
	case WIRE_ACK:
		f.ts = (uint32_t)simlink_random(rng);
		f.ts_delay_us = simlink_random(rng) % 65536 * 8;
		f.nranges = simlink_random(rng) % (WIRE_ACK_RANGES_MAX + 1);
		/* FALLTHROUGH */
	case WIRE_WINS:
		at = f.una = (uint32_t)simlink_random(rng);
		f.wnd = (uint32_t)simlink_random(rng);
		for (unsigned i = 0; i < f.nranges; i++) {
			f.ranges[i].first = at + 1 + simlink_random(rng) % 65535;
			f.ranges[i].count = 1 + simlink_random(rng) % 65535;
			at = f.ranges[i].first + f.ranges[i].count;
		}
		break;
	case WIRE_PARITY:
		f.sn = (uint32_t)simlink_random(rng);
		f.group_k = (uint8_t)simlink_random(rng);
		f.group_n = (uint8_t)simlink_random(rng);
		f.group_m = (uint8_t)simlink_random(rng);
		f.group_i = (uint8_t)simlink_random(rng);
		f.len = simlink_random(rng) % 300;
		f.data = payload;
		break;
	case WIRE_ECN:
		f.ecn.other = (uint32_t)simlink_random(rng);
		f.ecn.ect0 = (uint32_t)simlink_random(rng);
		f.ecn.ect1 = (uint32_t)simlink_random(rng);
		f.ecn.ce = (uint32_t)simlink_random(rng);
		break;
	case WIRE_RST:
		f.code = (uint16_t)simlink_random(rng);
		break;
	case WIRE_WASK:
		break;
	default:
		f.token = simlink_random(rng);
	}
	return f;
}

static void
same_frame(const struct wire_frame *a, const struct wire_frame *b)
{
	ck_assert_int_eq(a->type, b->type);
	ck_assert_uint_eq(a->sn, b->sn);
	ck_assert_uint_eq(a->una, b->una);
	ck_assert_uint_eq(a->wnd, b->wnd);
	ck_assert_uint_eq(a->token, b->token);
	ck_assert_int_eq(memcmp(&a->group_k, &b->group_k, 4), 0);
	ck_assert_uint_eq(a->code, b->code);
	ck_assert_uint_eq(a->ts_delay_us, b->ts_delay_us);
	ck_assert_int_eq(a->fin, b->fin);
	ck_assert_uint_eq(a->len, b->len);
	ck_assert_uint_eq(a->offset, b->offset);
	ck_assert_uint_eq(a->total, b->total);
	if (a->len > 0)
		ck_assert_mem_eq(a->data, b->data, a->len);
	ck_assert_uint_eq(a->nranges, b->nranges);
	ck_assert_mem_eq(a->ranges, b->ranges, a->nranges * sizeof(a->ranges[0]));
	if (a->type == WIRE_ECN)
		ck_assert_mem_eq(&a->ecn, &b->ecn, sizeof(a->ecn));
}

START_TEST(session_round_trip)
{
	uint64_t rng = SEED + (unsigned)_i;
	uint8_t buf[1400], payload[300];
	struct wire_frame in[100], out;
	struct wire_writer w;
	struct wire_reader r;
	int n = 0;

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)simlink_random(&rng);
	wire_writer_init(&w, WIRE_SESSION, 0, buf, sizeof(buf));
	wire_writer_stamp(&w, 0, 0, 0xdeadbeef);
	for (; n < 100 && w.cap - w.len > 320; n++) {
		in[n] = random_frame(&rng, payload);
		ck_assert(wire_put(&w, &in[n]));
	}
	ck_assert_int_eq(wire_reader_init(&r, WIRE_SESSION, 0, buf, w.len), 0);
	for (int i = 0; i < n; i++) {
		ck_assert_int_eq(wire_next(&r, &out), 1);
		same_frame(&in[i], &out);
		if (out.type == WIRE_DATA)
			ck_assert_uint_eq(out.ts, 0xdeadbeef);
	}
	ck_assert_int_eq(wire_next(&r, &out), 0);
}
END_TEST

/* Whatever arrives, no byte outside the datagram is read (the sanitizer build sees it) and the reader ends. */
START_TEST(garbage_ends)
{
	uint64_t rng = SEED + (unsigned)_i;

	for (int round = 0; round < 2000; round++) {
		size_t len = simlink_random(&rng) % 80;
		uint8_t *buf = malloc(len + 1);
		struct wire_reader r;
		struct wire_frame f;
		int frames = 0;

		for (size_t i = 0; i < len; i++)
			buf[i] = (uint8_t)(simlink_random(&rng) % (_i ? 256 : 12));
		if (wire_reader_init(&r, (enum wire_codec)(round % 2), 0, buf, len) == 0)
			while (wire_next(&r, &f) > 0)
				ck_assert_int_lt(frames++, 100);
		free(buf);
	}
}
END_TEST

START_TEST(ack_takes_the_ranges_that_fit)
{
	struct wire_frame f = { .type = WIRE_ACK, .una = 10, .nranges = 5 }, g;
	struct wire_writer w;
	struct wire_reader r;
	uint8_t buf[64];

	for (unsigned i = 0; i < 5; i++)
		f.ranges[i] = (struct wire_range){ 12 + 4 * i, 2 };
	wire_writer_init(&w, WIRE_SESSION, 0, buf, 4 + 16 + 3 * 4 + 1);
	ck_assert(wire_put(&w, &f));
	ck_assert_int_eq(wire_reader_init(&r, WIRE_SESSION, 0, buf, w.len), 0);
	ck_assert_int_eq(wire_next(&r, &g), 1);
	ck_assert_uint_eq(g.nranges, 3);
	ck_assert_uint_eq(g.ranges[2].first, 20);
	wire_writer_init(&w, WIRE_SESSION, 0, buf, 4 + 15);
	ck_assert(!wire_put(&w, &f));
	ck_assert(wire_writer_empty(&w));
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("wire");

	tcase_add_test(t, plain_bytes);
	tcase_add_loop_test(t, session_edges, 0, sizeof(session_cases) / sizeof(session_cases[0]));
	tcase_add_loop_test(t, session_round_trip, 0, 200);
	tcase_add_loop_test(t, garbage_ends, 0, 2);
	tcase_add_test(t, ack_takes_the_ranges_that_fit);
	return check_main("wire", t);
}
