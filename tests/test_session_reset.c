/* Sessions that their server has forgotten: the client is told at once, and nobody else can tell it so. */
#include <string.h>

#include "checkmain.h"
#include "core/bytes.h"
#include "core/error.h"
#include "core/keys.h"
#include "core/reset_token.h"
#include "sesspair.h"

#define RTT (2 * SESSPAIR_DELAY)

static struct sesspair sp;
static struct mem *key_mem;
static struct session_keys *keys, *more_keys;
static struct session_config cfg, keyed, unsealed;
static struct session *client, *server;
static char text[65536];
static const uint8_t kept_secret[RESET_SECRET_LEN] = { 1, 2, 3 };

static const char one_key[] = "a 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
static const char two_keys[] = "a 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"
    "b 11112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
static const char two_keys_turned[] = "b 11112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"
    "a 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";

static void
load(struct session_keys *k, const char *file)
{
	char err[200];

	ck_assert_int_eq(session_keys_load(k, "file", file, strlen(file), err, sizeof(err)), 0);
}

static void
setup(void)
{
	key_mem = mem_new(0);
	keys = session_keys_new(key_mem);
	more_keys = session_keys_new(key_mem);
	load(keys, one_key);
	load(more_keys, two_keys);
	session_config_default(&cfg);
	keyed = unsealed = cfg;
	keyed.keys = keys;
	unsealed.crypto = SESSION_CRYPTO_NONE;
	sesspair_init(&sp, &cfg);
	endpoint_set_reset_secret(sp.ep[1], kept_secret);
}

static void
teardown(void)
{
	sesspair_dispose(&sp);
	session_keys_free(keys);
	session_keys_free(more_keys);
	mem_destroy(key_mem);
}

static void
open_with(const struct session_config *c, const struct session_config *s)
{
	endpoint_unlisten(sp.ep[1], (uint32_t)sp.listener);
	sp.listener = endpoint_listen(sp.ep[1], 1, s);
	ck_assert_int_gt(sp.listener, 0);
	sesspair_open(&sp, c, &client, &server);
	sesspair_settle(&sp);
}

/* The client says something; whether it is told that the session is gone, one round trip later. */
static bool
told(void)
{
	int n = sp.nlog, i;
	bool over;

	sesspair_write(&sp, client, "a line of some length, as programs write it");
	sesspair_run(&sp, sp.now + RTT + 100);
	over = session_state(client) == SESSION_CLOSED && session_error(client) == KCPSHIM_E_RESET;
	ck_assert_int_eq(sesspair_sent(&sp, 1, n), over);
	for (i = n; i < sp.nlog; i++)
		if (sp.log[i].from == 1)
			ck_assert_uint_lt(sp.log[i].len, sp.log[n].len);
	return over;
}

static int
give(int to, uint32_t sock, struct sesspair_datagram d)
{
	struct path p = sesspair_path(to, sock);

	return endpoint_input(sp.ep[to], &p, d.data, d.len, sp.now);
}

/* A RESET for the client, which has not arrived. */
static struct sesspair_datagram
capture_reset(const struct session_config *server_cfg)
{
	int n = sp.nlog, i;

	sesspair_restart(&sp, server_cfg, kept_secret);
	sp.cut[1] = true;
	sesspair_write(&sp, client, "who is there?");
	sesspair_run(&sp, sp.now + SESSPAIR_DELAY + 100);
	sp.cut[1] = false;
	for (i = n; i < sp.nlog; i++)
		if (sp.log[i].from == 1)
			return sp.log[i];
	ck_abort_msg("no RESET was sent");
}

/* --- a restarted server --- */

START_TEST(restart_is_told)
{
	const struct session_config *c[] = { &cfg, &keyed, &unsealed };
	char buf[10];
	uint64_t i;

	open_with(c[_i], c[_i]);
	sesspair_restart(&sp, c[_i], kept_secret);
	ck_assert(told());
	/* The program can still read what came before; then it sees the reset. */
	ck_assert_uint_eq(sesspair_read(&sp, client, buf, sizeof(buf)), 0);
	for (i = 0; i < 5; i++) {
		sesspair_run(&sp, sp.now + 1000000);
		ck_assert_int_eq(session_error(client), KCPSHIM_E_RESET);
	}
	endpoint_release(sp.ep[0], client);
	/* A new session is not taken for the old one. */
	sesspair_open(&sp, c[_i], &client, &server);
}
END_TEST

/* In the middle of a transfer, at any time: what is under way is answered, or what is written next. */
START_TEST(restart_in_mid_transfer)
{
	static char bulk[20000];
	struct session_info info;
	uint64_t at;

	memset(bulk, 'x', sizeof(bulk) - 1);
	open_with(&keyed, &keyed);
	for (at = sp.now + (uint64_t)_i * 777; sp.now < at; sesspair_run(&sp, sp.now + 1000 < at ? sp.now + 1000 : at)) {
		session_get_info(client, &info);
		if (info.kcp.unacked_bytes < sizeof(bulk))
			sesspair_write(&sp, client, bulk);
		while (sesspair_read(&sp, server, text, sizeof(text)) > 0)
			;
	}
	sesspair_restart(&sp, &keyed, NULL);
	sesspair_write(&sp, client, "the rest");
	sesspair_run(&sp, sp.now + 2 * RTT);
	ck_assert_int_eq(session_state(client), SESSION_CLOSED);
	ck_assert_int_eq(session_error(client), KCPSHIM_E_RESET);
}
END_TEST

/* One of several threads on a port speaks for its own sessions only. */
START_TEST(another_threads_session_is_not_reset)
{
	struct session_config own = cfg;

	own.lanes = 3;
	own.lane = (uint8_t)_i;
	open_with(&cfg, &own);
	ck_assert_uint_eq((session_id(server) & 0xff) % 3, _i);
	own.lane = (uint8_t)((_i + 1) % 3);
	sesspair_restart(&sp, &own, kept_secret);
	ck_assert(!told());
	own.lane = (uint8_t)_i;
	sesspair_restart(&sp, &own, kept_secret);
	ck_assert(told());
}
END_TEST

/* An idle client hears of it when it asks whether the server is alive. */
START_TEST(restart_is_noticed_by_keepalive)
{
	keyed.keep_idle_us = keyed.keep_interval_us = 3000000;
	keyed.keep_count = 3;
	open_with(&keyed, &keyed);
	sesspair_restart(&sp, &keyed, NULL);
	sesspair_run(&sp, sp.now + 3000000 + RTT);
	ck_assert_int_eq(session_error(client), KCPSHIM_E_RESET);
}
END_TEST

/* The secret is that of the key file, in whatever order; another set of keys, or of secrets, resets nothing. */
START_TEST(secret_must_be_the_same)
{
	struct session_config other = keyed;
	uint8_t other_secret[RESET_SECRET_LEN] = { 9 };

	other.keys = more_keys;
	switch (_i) {
	case 0:
		open_with(&keyed, &other);
		load(more_keys, two_keys_turned);
		sesspair_restart(&sp, &other, NULL);
		ck_assert(told());
		return;
	case 1:
		open_with(&keyed, &keyed);
		sesspair_restart(&sp, &other, NULL);
		break;
	case 2:
		open_with(&keyed, &other);
		sesspair_restart(&sp, &keyed, NULL);
		break;
	case 3:
		open_with(&cfg, &cfg);
		sesspair_restart(&sp, &cfg, other_secret);
		break;
	case 4:
		open_with(&cfg, &cfg);
		sesspair_restart(&sp, &cfg, NULL);
		break;
	}
	ck_assert(!told());
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
}
END_TEST

/* Where several servers share a port, nothing is promised and nothing is answered. */
START_TEST(shared_port_stays_silent)
{
	struct session_config shared = keyed;

	shared.no_reset = true;
	open_with(&keyed, &shared);
	sesspair_restart(&sp, &shared, NULL);
	ck_assert(!told());
	sesspair_restart(&sp, &keyed, NULL);
	ck_assert(!told());
}
END_TEST

/* Its address has changed meanwhile. */
START_TEST(moved_client_is_told)
{
	open_with(&keyed, &keyed);
	sp.nat = 500;
	sesspair_restart(&sp, &keyed, NULL);
	ck_assert(told());
}
END_TEST

/* --- a server that is alive, but not the session --- */

START_TEST(forgotten_session_is_told)
{
	open_with(&cfg, &cfg);
	endpoint_release(sp.ep[1], server);
	ck_assert(told());
}
END_TEST

/* Both ended in order, and the server is gone while the client still repeats itself: no error. */
START_TEST(finished_session_ends_in_peace)
{
	open_with(&cfg, &cfg);
	session_close(server, false, sp.now);
	session_close(client, false, sp.now);
	sesspair_run(&sp, sp.now + SESSPAIR_DELAY + 100);
	sesspair_restart(&sp, &cfg, kept_secret);
	sesspair_run(&sp, sp.now + 30000000);
	ck_assert_int_eq(session_state(client), SESSION_CLOSED);
	ck_assert(session_error(client) == 0 || session_error(client) == KCPSHIM_E_RESET);
}
END_TEST

/* What does not open is never answered while the session lives, wherever it comes from. */
START_TEST(live_session_is_not_reset)
{
	struct sesspair_datagram d;
	uint32_t sock;
	int n, i;

	open_with(&cfg, &cfg);
	n = sp.nlog;
	sesspair_write(&sp, client, "something to be changed");
	sesspair_run(&sp, sp.now + 100);
	d = sp.log[n];
	sesspair_settle(&sp);
	n = sp.nlog;
	for (i = 9; i < (int)d.len; i++) {
		for (sock = 1; sock < 4; sock++) {
			struct sesspair_datagram changed = d;

			changed.data[i] ^= 1;
			bytes_put32(changed.data + 5, 1000u + (uint32_t)i);
			ck_assert_int_lt(give(1, sock, changed), 0);
		}
	}
	sesspair_run(&sp, sp.now + 100000);
	ck_assert_int_eq(sp.nlog, n);
}
END_TEST

/* --- attacks --- */

/* Every bit of id and token counts, and so does the address; the true one works once, whatever was tried before. */
START_TEST(forged_reset_is_dropped)
{
	struct sesspair_datagram reset, d;
	struct path p = sesspair_path(0, 1);
	size_t bit, len;

	open_with(&cfg, &cfg);
	reset = capture_reset(&cfg);
	for (bit = 0; bit < reset.len * 8; bit++) {
		if (bit / 8 >= 5 && bit / 8 < reset.len - RESET_TOKEN_LEN)
			continue;
		if (bit == 32) /* the phase */
			continue;
		d = reset;
		d.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_int_lt(give(0, 1, d), 0);
	}
	for (len = 0; len < reset.len; len++) {
		d = reset;
		d.len = len;
		ck_assert_int_lt(give(0, 1, d), 0);
	}
	d = reset;
	ck_assert_int_lt(give(0, 2, d), 0);
	p.remote.port++;
	ck_assert_int_lt(endpoint_input(sp.ep[0], &p, d.data, d.len, sp.now), 0);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
	ck_assert_int_eq(give(0, 1, reset), 0);
	ck_assert_int_eq(session_error(client), KCPSHIM_E_RESET);
}
END_TEST

/* The RESET of one session says nothing about another one, of the same client and server. */
START_TEST(reset_of_another_session)
{
	struct session *first;
	struct sesspair_datagram reset;

	open_with(&cfg, &cfg);
	first = client;
	reset = capture_reset(&cfg);
	client = sesspair_connect(&sp, 1, &cfg);
	sesspair_run(&sp, sp.now + RTT + 1000);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
	ck_assert_int_eq(give(0, 1, reset), 0);
	ck_assert_int_eq(session_state(first), SESSION_CLOSED);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
	ck_assert_int_eq(give(0, 1, reset), 0);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
}
END_TEST

/* A server with the same keys at another address is asked about the session: its answer is worth nothing. */
START_TEST(reset_of_another_server)
{
	struct sesspair_datagram d, reset;
	struct path elsewhere = sesspair_path(1, 1), out;
	uint8_t seed[32] = { 77 }, copy[1500];
	struct mem *mem = mem_new(0);
	struct endpoint *ep = endpoint_new(mem, seed);
	int n = sp.nlog;

	open_with(&keyed, &keyed);
	ck_assert_int_gt(endpoint_listen(ep, 1, &keyed), 0);
	n = sp.nlog;
	sesspair_write(&sp, client, "seen by an attacker");
	sesspair_run(&sp, sp.now + 100);
	d = sp.log[n];
	elsewhere.local.ip[3]++;
	memcpy(copy, d.data, d.len);
	ck_assert_int_lt(endpoint_input(ep, &elsewhere, copy, d.len, sp.now), 0);
	reset = d;
	reset.len = endpoint_output(ep, &out, reset.data, sizeof(reset.data), sp.now);
	ck_assert_uint_gt(reset.len, 0);
	ck_assert_int_lt(give(0, 1, reset), 0);
	sesspair_settle(&sp);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
	ck_assert_uint_eq(sesspair_read(&sp, server, text, sizeof(text)), 19);
	endpoint_free(ep);
	mem_destroy(mem);
}
END_TEST

/* Who has never seen a connection id of the server can hardly get a word out of it, and nobody more than a few a second. */
START_TEST(strangers_get_silence)
{
	struct sesspair_datagram d = { .len = 200 };
	size_t used;
	uint32_t i;
	int n;

	open_with(&cfg, &cfg);
	used = mem_used(sp.mem[1]);
	for (i = 0; i < 3; i++) {
		d.len = 29;
		bytes_put32(d.data, reset_token_cid(kept_secret, i));
		d.data[4] = 0xc4;
		ck_assert_int_eq(give(1, 1, d), KCPSHIM_E_UNKNOWN);
	}
	sesspair_run(&sp, sp.now + 1000);
	ck_assert_uint_eq(mem_used(sp.mem[1]), used);
	n = sp.nlog;
	d.len = 200;
	for (i = 0; i < 20000; i++) {
		bytes_put32(d.data, i * 2654435761u);
		d.data[4] = (uint8_t)(0xc3 + i % 4);
		ck_assert_int_lt(give(1, 1, d), 0);
		sesspair_run(&sp, sp.now + 10);
	}
	ck_assert_int_le(sesspair_sent(&sp, 1, n), 12);
	sesspair_run(&sp, sp.now + 1000000 - sp.now % 1000000);
	n = sp.nlog;
	for (i = 0; i < 3000; i++) {
		bytes_put32(d.data, reset_token_cid(kept_secret, i));
		d.data[4] = 0xc4;
		ck_assert_int_eq(give(1, 1, d), KCPSHIM_E_UNKNOWN);
		sesspair_run(&sp, sp.now + 10);
	}
	ck_assert_int_eq(sesspair_sent(&sp, 1, n), RESET_RATE);
	for (; n < sp.nlog; n++)
		ck_assert_uint_le(sp.log[n].len, RESET_LEN_MAX);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
}
END_TEST

/* Two servers to which each other's RESETs are reflected, ids made to fit: it ends soon. */
START_TEST(reflection_ends)
{
	struct sesspair_datagram d = { .len = 1200 };
	int rounds = 0, n;

	do {
		bytes_put32(d.data, reset_token_cid(kept_secret, (uint32_t)rounds));
		d.data[4] = 0xc4;
		n = sp.nlog;
		give(1, 1, d);
		sesspair_run(&sp, sp.now + 1);
		if (sp.nlog > n) {
			ck_assert_uint_lt(sp.log[n].len, d.len);
			d = sp.log[n];
		}
		ck_assert_int_le(++rounds, 20);
	} while (sp.nlog > n);
	ck_assert_uint_eq(d.len, RESET_LEN_MIN);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("session_reset");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, restart_is_told, 0, 3);
	tcase_add_loop_test(tc, restart_in_mid_transfer, 0, 50);
	tcase_add_loop_test(tc, another_threads_session_is_not_reset, 0, 3);
	tcase_add_test(tc, restart_is_noticed_by_keepalive);
	tcase_add_loop_test(tc, secret_must_be_the_same, 0, 5);
	tcase_add_test(tc, shared_port_stays_silent);
	tcase_add_test(tc, moved_client_is_told);
	tcase_add_test(tc, forgotten_session_is_told);
	tcase_add_test(tc, finished_session_ends_in_peace);
	tcase_add_test(tc, live_session_is_not_reset);
	tcase_add_test(tc, forged_reset_is_dropped);
	tcase_add_test(tc, reset_of_another_session);
	tcase_add_test(tc, reset_of_another_server);
	tcase_add_test(tc, strangers_get_silence);
	tcase_add_test(tc, reflection_ends);
	return check_main("session_reset", tc);
}
