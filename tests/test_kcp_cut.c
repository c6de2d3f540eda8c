/* Segments cut for one mtu, and the mtu changes. */
#include <string.h>

#include <check.h>

#include "checkmain.h"
#include "core/error.h"
#include "kcppair.h"

#define CONV 0x11223344u
#define SECOND 1000000u

static const struct simlink_config clean = { .delay = 10000 };

static struct kcp_config
config(void)
{
	struct kcp_config c;

	kcp_config_default(&c, WIRE_SESSION);
	return c;
}

static uint8_t
pattern(uint64_t off)
{
	return (uint8_t)((off * 2654435761u >> 13) + off);
}

static void
write_all(struct kcp *k, uint64_t total, uint64_t now)
{
	uint8_t buf[1000];

	for (uint64_t off = 0; off < total; ) {
		size_t n = total - off < sizeof(buf) ? total - off : sizeof(buf);

		for (size_t i = 0; i < n; i++)
			buf[i] = pattern(off + i);
		ck_assert_uint_eq(kcppair_write(k, buf, n, now), n);
		off += n;
	}
}

static size_t
read_all(struct kcp *k, uint64_t off, uint64_t now)
{
	uint8_t buf[4096];
	size_t n, got = 0;

	while ((n = kcppair_read(k, buf, sizeof(buf), now)) > 0) {
		for (size_t i = 0; i < n; i++)
			if (buf[i] != pattern(off + got + i))
				ck_abort_msg("wrong byte at %llu", (unsigned long long)(off + got + i));
		got += n;
	}
	return got;
}

/* What was sent before the mtu became smaller goes again in parts, and only then does the receiver have it. */
START_TEST(sent_before_the_mtu_fell)
{
	struct kcp_config c = config();
	uint64_t read = 0;
	struct kcp_info info;
	struct kcppair p;
	unsigned sent = 0;

	kcppair_init(&p, &c, &clean, &clean, 1, 0);
	write_all(p.a, 100000, p.now);
	kcp_send_fin(p.a, p.now);
	for (int i = 0; i < 4; i++) {
		uint8_t buf[1500];
		struct wire_writer w;

		/* All of these are lost. */
		wire_writer_init(&w, WIRE_SESSION, CONV, buf, 1400);
		if (!kcp_output(p.a, &w, p.now))
			break;
		ck_assert_uint_eq(w.len, 1400);
		sent++;
	}
	ck_assert_uint_ge(sent, 2);
	ck_assert_int_eq(kcp_set_mtu(p.a, 600, p.now), 0);
	while (!kcp_send_drained(p.a)) {
		uint8_t buf[1500];
		struct wire_writer w;

		wire_writer_init(&w, WIRE_SESSION, CONV, buf, 1400);
		while (kcp_output(p.a, &w, p.now)) {
			ck_assert_uint_le(w.len, 600);
			simlink_send(&p.ab, buf, w.len, p.now);
			wire_writer_init(&w, WIRE_SESSION, CONV, buf, 1400);
		}
		kcppair_run(&p, p.now + 1000);
		read += read_all(p.b, read, p.now);
		ck_assert_uint_lt(p.now, 60u * SECOND);
	}
	ck_assert_uint_eq(read, 100000);
	ck_assert(kcp_recv_eof(p.b));
	kcp_get_info(p.b, &info);
	ck_assert_uint_eq(info.duplicates, 0);
	kcppair_dispose(&p);
}
END_TEST

/* A larger mtu packs what waits into fewer segments. */
START_TEST(larger_mtu_at_once)
{
	struct kcp_config c = config();
	uint64_t read = 0;
	struct kcp_info info;
	struct kcppair p;

	c.mtu = 300;
	kcppair_init(&p, &c, &clean, &clean, 1, 0);
	write_all(p.a, 50001, p.now);
	kcp_send_fin(p.a, p.now);
	ck_assert_int_eq(kcp_set_mtu(p.a, 1400, p.now), 0);
	for (int i = 0; i < 1000 && !kcp_send_drained(p.a); i++) {
		kcppair_run(&p, p.now + 10000);
		read += read_all(p.b, read, p.now);
	}
	ck_assert_uint_eq(read, 50001);
	ck_assert(kcp_recv_eof(p.b));
	kcp_get_info(p.a, &info);
	ck_assert_uint_eq(info.segments_sent, (50001 + 1388) / 1389);
	kcppair_dispose(&p);
}
END_TEST

static int
give_part(struct kcp *k, uint32_t sn, uint32_t offset, uint32_t len, uint32_t total, uint64_t now)
{
	static const uint8_t bytes[64] = "0123456789abcdefghijklmnopqrstuvwxyz";
	struct wire_frame f = { .type = WIRE_DATA, .sn = sn, .offset = offset, .len = len, .total = total, .data = bytes + offset,
		.has_ts = true };

	return kcp_input(k, &f, now);
}

START_TEST(parts)
{
	struct kcp_config c = config();
	struct mem *m = mem_new(0);
	struct kcp *k = kcp_new(m, &c, 1000);
	struct iovec iov;

	ck_assert_int_eq(give_part(k, 0, 10, 10, 20, 1000), KCPSHIM_E_STATE);
	ck_assert_int_eq(give_part(k, 0, 0, 10, 20, 1000), 0);
	ck_assert_uint_eq(kcp_recv_ready(k), 0);
	ck_assert_uint_eq(kcp_deadline(k), KCP_NEVER);
	ck_assert_int_eq(give_part(k, 0, 10, 10, 21, 1000), KCPSHIM_E_STATE);
	ck_assert_int_eq(give_part(k, 0, 11, 9, 20, 1000), KCPSHIM_E_STATE);
	ck_assert_int_eq(give_part(k, 0, 0, 5, 20, 1000), 0);
	ck_assert_int_eq(give_part(k, 0, 8, 12, 20, 1000), 0);
	ck_assert_uint_eq(kcp_recv_ready(k), 20);
	ck_assert_int_eq(kcp_recv_peek(k, &iov, 1), 1);
	ck_assert_mem_eq(iov.iov_base, "0123456789abcdefghij", 20);
	ck_assert_uint_eq(kcp_deadline(k), 1000);
	kcp_recv_consume(k, 20, 1000);
	/* The beginning is there, then all of it comes in one. */
	ck_assert_int_eq(give_part(k, 2, 0, 4, 9, 1000), 0);
	ck_assert_int_eq(give_part(k, 1, 0, 4, 9, 1000), 0);
	ck_assert_int_eq(give_part(k, 1, 0, 9, 0, 1000), 0);
	ck_assert_uint_eq(kcp_recv_ready(k), 9);
	kcp_recv_consume(k, 9, 1000);
	/* Outside the window, and long ago. */
	ck_assert_int_eq(give_part(k, 2 + c.rcv_wnd, 0, 4, 9, 1000), KCPSHIM_E_STATE);
	ck_assert_int_eq(give_part(k, 0, 0, 4, 9, 1000), 0);
	ck_assert_uint_eq(kcp_recv_ready(k), 0);
	kcp_free(k);
	ck_assert_uint_eq(mem_used(m), 0);
	mem_destroy(m);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("kcp_cut");

	tcase_add_test(t, sent_before_the_mtu_fell);
	tcase_add_test(t, larger_mtu_at_once);
	tcase_add_test(t, parts);
	return check_main("kcp_cut", t);
}
