#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "core/endpoint.h"
#include "core/error.h"
#include "core/replay.h"
#include "sesspair.h"
#include "checkmain.h"

#define MANY 10000
#define IDLE_BYTES 2048u

static struct sesspair sp;
static struct session_config cfg;

static void
setup(void)
{
	session_config_default(&cfg);
	cfg.crypto = SESSION_CRYPTO_NONE;
	sesspair_init(&sp, &cfg);
}

static void
teardown(void)
{
	sesspair_dispose(&sp);
}

START_TEST(one_listener_a_socket)
{
	int a;

	ck_assert_int_eq(endpoint_listen(sp.ep[1], 1, &cfg), KCPSHIM_E_FULL);
	a = endpoint_listen(sp.ep[1], 2, &cfg);
	ck_assert_int_gt(a, 0);
	ck_assert_int_ne(a, sp.listener);
	endpoint_unlisten(sp.ep[1], (uint32_t)a);
	endpoint_unlisten(sp.ep[1], (uint32_t)a);
	ck_assert_int_gt(endpoint_listen(sp.ep[1], 2, &cfg), a);
}
END_TEST

/* At room 0 first flights are dropped in silence; when there is room again, the client's next repetition gets in. */
START_TEST(full_accept_queue_is_silent)
{
	struct session *s;

	endpoint_listener_room(sp.ep[1], (uint32_t)sp.listener, 0);
	s = sesspair_connect(&sp, 1, &cfg);
	sesspair_run(&sp, sp.now + 3000000);
	ck_assert_int_eq(session_state(s), SESSION_CONNECTING);
	ck_assert_int_eq(sesspair_sent(&sp, 1, 0), 0);
	endpoint_listener_room(sp.ep[1], (uint32_t)sp.listener, 1);
	sesspair_run(&sp, sp.now + 4000000);
	ck_assert_int_eq(session_state(s), SESSION_ESTABLISHED);
	ck_assert_ptr_nonnull(sesspair_accept(&sp));
	s = sesspair_connect(&sp, 2, &cfg);
	sesspair_run(&sp, sp.now + 3000000);
	ck_assert_int_eq(session_state(s), SESSION_CONNECTING);
}
END_TEST

START_TEST(unlisten_keeps_sessions)
{
	struct session *client, *server;
	char buf[16];

	sesspair_open(&sp, &cfg, &client, &server);
	endpoint_unlisten(sp.ep[1], (uint32_t)sp.listener);
	sesspair_write(&sp, client, "hello");
	sesspair_settle(&sp);
	ck_assert_uint_eq(sesspair_read(&sp, server, buf, sizeof(buf)), 5);
	session_set_sock(server, 9);
	ck_assert_uint_eq(session_path(server)->sock, 9);
	sesspair_write(&sp, server, "there");
	sesspair_settle(&sp);
	ck_assert_uint_eq(sesspair_read(&sp, client, buf, sizeof(buf)), 5);
	while (sesspair_accept(&sp) != NULL)
		;
	ck_assert_ptr_nonnull(sesspair_connect(&sp, 2, &cfg));
	sesspair_run(&sp, sp.now + 100000);
	ck_assert_ptr_null(sesspair_accept(&sp));
}
END_TEST

/* Anything that is not a datagram of a session is dropped without a trace, and without an answer. */
START_TEST(garbage_leaves_nothing)
{
	struct path p = sesspair_path(1, 1);
	uint8_t d[1500];
	size_t used, len, i;
	uint32_t x = (uint32_t)_i * 2654435761u + 1;

	used = mem_used(sp.mem[1]);
	for (len = 0; len < sizeof(d); len += 1 + len / 8) {
		for (i = 0; i < len; i++) {
			x = x * 1664525u + 1013904223u;
			d[i] = (uint8_t)(x >> 24);
		}
		if (len > 5) {
			d[4] = (uint8_t)(0xc0 + _i % 8);
			d[5] = (uint8_t)(_i / 8 % 2);
		}
		ck_assert_int_lt(endpoint_input(sp.ep[1], &p, d, len, sp.now), 0);
	}
	ck_assert_uint_eq(mem_used(sp.mem[1]), used);
	/* What has a connection id that the server could have given, as one in 4096 has, may get a RESET. */
	for (i = 0; (len = endpoint_output(sp.ep[1], &p, d, sizeof(d), sp.now)) > 0; i++)
		ck_assert_uint_le(len, 45);
	ck_assert_uint_le(i, 1);
	ck_assert_uint_eq(endpoint_deadline(sp.ep[1]), KCP_NEVER);
}
END_TEST

/* A session's datagram from another address is nobody's. */
START_TEST(other_addresses_are_ignored)
{
	struct session *client, *server;
	struct path p = sesspair_path(1, 7);
	struct sesspair_datagram d;
	int n;

	sesspair_open(&sp, &cfg, &client, &server);
	n = sp.nlog;
	sp.cut[0] = true;
	sesspair_write(&sp, client, "stolen");
	sesspair_run(&sp, sp.now + 1000);
	ck_assert_int_gt(sp.nlog, n);
	d = sp.log[n];
	ck_assert_int_eq(endpoint_input(sp.ep[1], &p, d.data, d.len, sp.now), KCPSHIM_E_UNKNOWN);
	d = sp.log[n];
	d.data[0] ^= 1;
	p = sesspair_path(1, 1);
	ck_assert_int_eq(endpoint_input(sp.ep[1], &p, d.data, d.len, sp.now), KCPSHIM_E_UNKNOWN);
	ck_assert_uint_eq(session_recv_ready(server), 0);
	ck_assert_int_eq(sesspair_replay(&sp, n), 0);
	ck_assert_uint_eq(session_recv_ready(server), 6);
	ck_assert_int_eq(sesspair_replay(&sp, n), KCPSHIM_E_REPLAY);
}
END_TEST

/* 10,000 idle sessions: each within its memory, none costs a look. */
START_TEST(many_idle_sessions)
{
	static struct session *s[MANY];
	size_t used[2] = { 0 };
	int i, n = 0;

	for (i = 0; i < MANY; i++) {
		if (i == 1) {
			used[0] = mem_used(sp.mem[0]);
			used[1] = mem_used(sp.mem[1]);
		}
		s[i] = sesspair_connect(&sp, (uint32_t)i + 1, &cfg);
		sesspair_run(&sp, sp.now + 5 * SESSPAIR_DELAY);
		while (endpoint_next_ready(sp.ep[0]) != NULL)
			session_take_events(s[i]);
		ck_assert_ptr_nonnull(sesspair_accept(&sp));
		sp.nlog = sp.delivered = 0;
	}
	for (i = 0; i < 2; i++)
		ck_assert_msg((mem_used(sp.mem[i]) - used[i]) / (MANY - 1) <= IDLE_BYTES, "%zu bytes an idle session",
		    (mem_used(sp.mem[i]) - used[i]) / (MANY - 1));
	sesspair_run(&sp, sp.now + 10000000);
	ck_assert_uint_eq(endpoint_deadline(sp.ep[0]), KCP_NEVER);
	for (struct session *e = NULL; (e = endpoint_each(sp.ep[1], e)) != NULL;)
		n++;
	ck_assert_int_eq(n, MANY);
}
END_TEST

/* Several busy sessions: none waits until another one is done. */
START_TEST(output_is_fair)
{
	struct session *client, *server, *other;
	static char bulk[60000];
	int i, count[2] = { 0 };

	memset(bulk, 'b', sizeof(bulk) - 1);
	sesspair_open(&sp, &cfg, &client, &server);
	other = sesspair_connect(&sp, 2, &cfg);
	sesspair_settle(&sp);
	sesspair_write(&sp, client, bulk);
	sesspair_write(&sp, other, bulk);
	i = sp.nlog;
	sesspair_settle(&sp);
	for (; i < sp.nlog && count[0] + count[1] < 60; i++)
		if (sp.log[i].from == 0 && sp.log[i].len > 1000)
			count[sp.log[i].path.sock == 2]++;
	ck_assert_int_ge(count[0], 20);
	ck_assert_int_ge(count[1], 20);
}
END_TEST

START_TEST(ids_are_not_reused)
{
	struct session *s = sesspair_connect(&sp, 1, &cfg);
	uint64_t id = session_id(s);

	ck_assert_ptr_eq(endpoint_find(sp.ep[0], id), s);
	endpoint_release(sp.ep[0], s);
	ck_assert_ptr_null(endpoint_find(sp.ep[0], id));
	ck_assert_uint_ne(session_id(sesspair_connect(&sp, 1, &cfg)), id);
}
END_TEST

START_TEST(replay_window)
{
	struct mem *mem = mem_new(0);
	struct replay r = { 0 };
	uint64_t pn;

	for (pn = 0; pn < 5000; pn += 1 + pn % 3) {
		ck_assert_int_eq(replay_check(&r, pn), 0);
		replay_record(&r, mem, pn);
		ck_assert_int_eq(replay_check(&r, pn), KCPSHIM_E_REPLAY);
	}
	/* Those that were left out can still come, if they are not too old. */
	for (pn = 0; pn < r.next; pn++)
		if (pn % 3 == 1 && pn + REPLAY_WINDOW < r.next)
			ck_assert_int_eq(replay_check(&r, pn), KCPSHIM_E_REPLAY);
	replay_record(&r, mem, 1000000);
	ck_assert_int_eq(replay_check(&r, 999999), 0);
	ck_assert_int_eq(replay_check(&r, 1000001 - REPLAY_WINDOW), 0);
	ck_assert_int_eq(replay_check(&r, 1000000 - REPLAY_WINDOW), KCPSHIM_E_REPLAY);
	replay_record(&r, mem, 999999);
	ck_assert_int_eq(replay_check(&r, 999999), KCPSHIM_E_REPLAY);
	/* After a rest nothing late is taken any more; what is new may again come out of order. */
	replay_rest(&r, mem);
	ck_assert_uint_eq(mem_used(mem), 0);
	ck_assert_int_eq(replay_check(&r, 999998), KCPSHIM_E_REPLAY);
	replay_record(&r, mem, 1000005);
	for (pn = 1000005 - REPLAY_WINDOW; pn <= 1000005; pn++)
		ck_assert_int_eq(replay_check(&r, pn), pn > 1000000 && pn < 1000005 ? 0 : KCPSHIM_E_REPLAY);
	replay_rest(&r, mem);
	mem_destroy(mem);
}
END_TEST

static const struct {
	uint64_t next;
	uint32_t low;
	uint64_t pn;
} expands[] = {
	{ 0, 0, 0 },
	{ 0, 0xffffffff, 0xffffffff },
	{ 10, 9, 9 },
	{ UINT64_C(0x100000000), 0xffffffff, 0xffffffff },
	{ UINT64_C(0xffffffff), 3, UINT64_C(0x100000003) },
	{ UINT64_C(0x500000000), 0x7fffffff, UINT64_C(0x57fffffff) },
	{ UINT64_C(0x500000000), 0x80000001, UINT64_C(0x480000001) },
};

START_TEST(replay_expands)
{
	struct replay r = { .next = expands[_i].next };

	ck_assert_uint_eq(replay_expand(&r, expands[_i].low), expands[_i].pn);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("endpoint");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, one_listener_a_socket);
	tcase_add_test(tc, full_accept_queue_is_silent);
	tcase_add_test(tc, unlisten_keeps_sessions);
	tcase_add_loop_test(tc, garbage_leaves_nothing, 0, 64);
	tcase_add_test(tc, other_addresses_are_ignored);
	tcase_add_test(tc, many_idle_sessions);
	tcase_add_test(tc, output_is_fair);
	tcase_add_test(tc, ids_are_not_reused);
	tcase_add_test(tc, replay_window);
	tcase_add_loop_test(tc, replay_expands, 0, sizeof(expands) / sizeof(expands[0]));
	return check_main("endpoint", tc);
}
