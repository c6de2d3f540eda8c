/* Sealed sessions, and what an attacker on the network can do to them: nothing. */
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "core/bytes.h"
#include "core/error.h"
#include "core/handshake.h"
#include "core/keys.h"
#include "core/unsealed.h"
#include "sesspair.h"
#include "checkmain.h"

#define IDLE_BYTES 2048u
#define HOUR UINT64_C(3600000000)

static struct sesspair sp;
static struct session_config cfg, keyed;
static struct session_keys *keys, *other_keys;
static struct mem *key_mem;
static struct session *client, *server;
static char text[65536];

static void
setup(void)
{
	key_mem = mem_new(0);
	keys = session_keys_new(key_mem);
	other_keys = session_keys_new(key_mem);
	ck_assert_int_eq(session_keys_load_secret(keys, (const uint8_t *)"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", 64), 0);
	ck_assert_int_eq(session_keys_load_secret(other_keys, (const uint8_t *)"ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", 64), 0);
	session_config_default(&cfg);
	keyed = cfg;
	keyed.keys = keys;
	sesspair_init(&sp, &cfg);
}

static void
setup_open(void)
{
	setup();
	sesspair_open(&sp, &cfg, &client, &server);
	sesspair_settle(&sp);
}

static void
teardown(void)
{
	sesspair_dispose(&sp);
	session_keys_free(keys);
	session_keys_free(other_keys);
	mem_destroy(key_mem);
}

/* The server listens with another config. */
static void
listen_with(const struct session_config *c)
{
	endpoint_unlisten(sp.ep[1], (uint32_t)sp.listener);
	sp.listener = endpoint_listen(sp.ep[1], 1, c);
	ck_assert_int_gt(sp.listener, 0);
}

/* What side `from` sends next, kept from the other side. */
static struct sesspair_datagram
capture(int from, struct session *s)
{
	int n = sp.nlog, i;

	sp.cut[from] = true;
	sesspair_write(&sp, s, "captured");
	sesspair_run(&sp, sp.now + 100);
	sp.cut[from] = false;
	for (i = n; i < sp.nlog; i++)
		if (sp.log[i].from == from)
			return sp.log[i];
	ck_abort_msg("nothing was sent");
}

static int
forge(int to, struct sesspair_datagram d)
{
	struct path p = sesspair_path(to, 1);

	return endpoint_input(sp.ep[to], &p, d.data, d.len, sp.now);
}

/* After an attack everything is as it was: silence, no state, and the session works. */
static void
unharmed(int nlog, size_t used)
{
	ck_assert_uint_eq(mem_used(sp.mem[1]), used);
	ck_assert_int_eq(sesspair_sent(&sp, 1, nlog), 0);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
	ck_assert_int_eq(session_state(server), SESSION_ESTABLISHED);
}

static bool
holds(const struct sesspair_datagram *d, const char *what, size_t len)
{
	size_t i;

	for (i = 0; i + len <= d->len; i++)
		if (memcmp(d->data + i, what, len) == 0)
			return true;
	return false;
}

/* --- opening --- */

static const struct {
	bool client_key, server_key, authenticated;
} pairs[] = { { false, false, false }, { true, true, true } };

START_TEST(opens_sealed)
{
	struct session_info info;
	int i;

	listen_with(pairs[_i].server_key ? &keyed : &cfg);
	sesspair_open(&sp, pairs[_i].client_key ? &keyed : &cfg, &client, &server);
	session_get_info(client, &info);
	ck_assert(info.suite == SEAL_AES_256_GCM || info.suite == SEAL_CHACHA20_POLY1305);
	ck_assert_int_eq(info.authenticated, pairs[_i].authenticated);
	session_get_info(server, &info);
	ck_assert_int_eq(info.authenticated, pairs[_i].authenticated);
	sesspair_write(&sp, client, "nobody else can read this");
	sesspair_settle(&sp);
	ck_assert_uint_eq(sesspair_read(&sp, server, text, sizeof(text)), 25);
	for (i = 0; i < sp.nlog; i++)
		ck_assert(!holds(&sp.log[i], "nobody", 6));
	ck_assert_uint_lt(HANDSHAKE_ACCEPT_LEN, HANDSHAKE_INIT_LEN);
}
END_TEST

/* Who lacks the key, has another one, or asks for a version that was not configured, gets silence. */
START_TEST(strangers_get_silence)
{
	struct session_config bare = cfg, wrong = cfg, unsealed = cfg;
	const struct {
		const struct session_config *client, *server;
	} cases[] = { { &bare, &keyed }, { &wrong, &keyed }, { &keyed, &bare }, { &unsealed, &keyed }, { &unsealed, &bare },
		{ &bare, &unsealed }, { &keyed, &unsealed } };
	size_t used;

	wrong.keys = other_keys;
	unsealed.crypto = SESSION_CRYPTO_NONE;
	listen_with(cases[_i].server);
	used = mem_used(sp.mem[1]);
	client = sesspair_connect(&sp, 1, cases[_i].client);
	sesspair_run(&sp, sp.now + 10000000);
	ck_assert_int_eq(session_state(client), SESSION_CONNECTING);
	ck_assert_int_eq(sesspair_sent(&sp, 1, 0), 0);
	ck_assert_uint_eq(mem_used(sp.mem[1]), used);
}
END_TEST

/* Every bit of an INIT counts, except those of the cookie, which is checked apart. */
START_TEST(changed_init_is_dropped)
{
	struct sesspair_datagram d;
	size_t used, bit, len;

	sp.cut[0] = true;
	client = sesspair_connect(&sp, 1, &cfg);
	sesspair_run(&sp, sp.now + 1000);
	used = mem_used(sp.mem[1]);
	for (bit = 0; bit < sp.log[0].len * 8; bit++) {
		if (bit / 8 >= 24 && bit / 8 < 40)
			continue;
		d = sp.log[0];
		d.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_int_lt(forge(1, d), 0);
	}
	for (len = 0; len < sp.log[0].len; len++) {
		d = sp.log[0];
		d.len = len;
		ck_assert_int_lt(forge(1, d), 0);
	}
	ck_assert_int_eq(sesspair_sent(&sp, 1, 0), 0);
	ck_assert_uint_eq(mem_used(sp.mem[1]), used);
}
END_TEST

/* A changed ACCEPT has no effect, and does not keep the true one from being taken. */
START_TEST(changed_accept_is_dropped)
{
	struct sesspair_datagram d;
	size_t bit;

	client = sesspair_connect(&sp, 1, &cfg);
	sesspair_run(&sp, sp.now + SESSPAIR_DELAY + 1);
	ck_assert_int_eq(sp.nlog, 2);
	for (bit = 32; bit < sp.log[1].len * 8; bit += 7) {
		d = sp.log[1];
		d.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_int_lt(forge(0, d), 0);
	}
	ck_assert_int_eq(session_state(client), SESSION_CONNECTING);
	ck_assert_int_eq(forge(0, sp.log[1]), 0);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
}
END_TEST

/* A server that is busy keeps nothing and asks for a cookie; one more round trip and the client is in. */
START_TEST(busy_server_asks_for_a_cookie)
{
	size_t used;

	if (_i == 1)
		cfg.crypto = SESSION_CRYPTO_NONE;
	cfg.handshakes = 0;
	listen_with(&cfg);
	client = sesspair_connect(&sp, 1, &cfg);
	sesspair_run(&sp, sp.now + SESSPAIR_DELAY);
	ck_assert_int_eq(sesspair_sent(&sp, 1, 0), 1);
	ck_assert_uint_lt(sp.log[1].len, sp.log[0].len);
	ck_assert_uint_eq(sp.log[1].data[4], HANDSHAKE_KIND_RETRY);
	ck_assert_ptr_null(endpoint_each(sp.ep[1], NULL));
	used = mem_used(sp.mem[1]);
	sesspair_replay(&sp, 0);
	sesspair_replay(&sp, 0);
	ck_assert_uint_eq(mem_used(sp.mem[1]), used);
	sesspair_run(&sp, sp.now + 3 * SESSPAIR_DELAY + 1000);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
}
END_TEST

/* A cookie is good at the address it was sent to, and nowhere else. */
START_TEST(cookie_of_another_address)
{
	struct path p = sesspair_path(1, 9);
	struct sesspair_datagram d;
	int i;

	cfg.handshakes = 0;
	listen_with(&cfg);
	client = sesspair_connect(&sp, 1, &cfg);
	sesspair_run(&sp, sp.now + 2 * SESSPAIR_DELAY);
	for (i = sp.nlog - 1; sp.log[i].from != 0; i--)
		;
	d = sp.log[i];
	ck_assert_uint_eq(d.data[4], HANDSHAKE_KIND_INIT);
	ck_assert_int_ne(d.data[24] | d.data[25] | d.data[26], 0);
	i = sp.nlog;
	ck_assert_int_eq(endpoint_input(sp.ep[1], &p, d.data, d.len, sp.now), 0);
	sp.cut[1] = true;
	sesspair_run(&sp, sp.now + 100);
	ck_assert_int_eq(sesspair_sent(&sp, 1, i), 1);
	ck_assert_uint_eq(sp.log[i].data[4], HANDSHAKE_KIND_RETRY);
}
END_TEST

/* A recorded first flight opens nothing, from whichever address, while its session lives and after. */
START_TEST(replayed_init_opens_nothing)
{
	struct path p = sesspair_path(1, 9);
	struct sesspair_datagram d;
	size_t used = mem_used(sp.mem[1]);
	int n = sp.nlog, i;

	for (i = 0; i < 3; i++) {
		ck_assert_int_lt(sesspair_replay(&sp, 0), 0);
		d = sp.log[0];
		ck_assert_int_lt(endpoint_input(sp.ep[1], &p, d.data, d.len, sp.now), 0);
		sesspair_run(&sp, sp.now + 1000);
	}
	unharmed(n, used);
	session_close(client, false, sp.now);
	session_close(server, false, sp.now);
	sesspair_run(&sp, sp.now + 20000000);
	endpoint_release(sp.ep[1], server);
	n = sp.nlog;
	ck_assert_int_lt(sesspair_replay(&sp, 0), 0);
	ck_assert_int_eq(sp.nlog, n);
	/* Much later it is not remembered; then its time is too old, and only a cookie would help. */
	sesspair_run(&sp, sp.now + HOUR);
	sesspair_replay(&sp, 0);
	sesspair_run(&sp, sp.now + 1000);
	ck_assert_ptr_null(endpoint_each(sp.ep[1], NULL));
	for (i = n; i < sp.nlog; i++)
		ck_assert_uint_eq(sp.log[i].data[4], HANDSHAKE_KIND_RETRY);
}
END_TEST

/* --- against an open session --- */

START_TEST(changed_data_is_dropped)
{
	struct sesspair_datagram d, c = capture(0, client);
	size_t used, bit, len;
	int n = sp.nlog;

	/* The first ones make the tables of the present and the next key, which an idle session had given back. */
	for (bit = 0; bit < 2; bit++) {
		d = c;
		d.data[4] ^= (uint8_t)bit;
		d.data[20] ^= 1;
		ck_assert_int_eq(forge(1, d), KCPSHIM_E_AUTH);
	}
	used = mem_used(sp.mem[1]);
	for (bit = 0; bit < c.len * 8; bit++) {
		d = c;
		d.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_int_lt(forge(1, d), 0);
	}
	for (len = 0; len < c.len; len++) {
		d = c;
		d.len = len;
		ck_assert_int_lt(forge(1, d), 0);
	}
	sesspair_run(&sp, sp.now + 1000);
	unharmed(n, used);
	ck_assert_int_eq(forge(1, c), 0);
	ck_assert_uint_eq(sesspair_read(&sp, server, text, sizeof(text)), 8);
	ck_assert_int_eq(forge(1, c), KCPSHIM_E_REPLAY);
}
END_TEST

/* Datagrams of the other direction, and of another session, under this session's id. */
START_TEST(other_datagrams_are_dropped)
{
	struct sesspair_datagram mine = capture(0, client), back = capture(1, server), theirs;
	struct session *other = sesspair_connect(&sp, 2, &cfg);
	int n;

	sesspair_settle(&sp);
	theirs = capture(0, other);
	n = sp.nlog;
	ck_assert_int_lt(forge(0, mine), 0);
	memcpy(theirs.data, mine.data, 4);
	ck_assert_int_lt(forge(1, theirs), 0);
	memcpy(mine.data, back.data, 4);
	ck_assert_int_lt(forge(0, mine), 0);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
	ck_assert_int_eq(session_state(server), SESSION_ESTABLISHED);
	ck_assert_int_eq(sp.nlog, n);
}
END_TEST

START_TEST(guessed_ids_are_unknown)
{
	struct sesspair_datagram d = capture(0, client);
	uint32_t i, id = bytes_get32(d.data);
	int n = sp.nlog;

	for (i = 1; i < 100000; i++) {
		bytes_put32(d.data, id + i * 2654435761u);
		ck_assert_int_eq(forge(1, d), KCPSHIM_E_UNKNOWN);
	}
	/* One guess in 4096 looks like an id of this server; what it answers then is smaller, and nothing comes of it. */
	sesspair_run(&sp, sp.now + 1000);
	ck_assert_int_le(sesspair_sent(&sp, 1, n), 60);
	for (; n < sp.nlog; n++)
		ck_assert_uint_lt(sp.log[n].len, d.len);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
	ck_assert_int_eq(session_state(server), SESSION_ESTABLISHED);
}
END_TEST

/* An unsealed RST, DATA or ACCEPT of version 0 does nothing to a sealed session. */
START_TEST(no_downgrade_within)
{
	static const uint8_t token[UNSEALED_TOKEN_LEN];
	struct handshake_params params = { .rcv_wnd = 1 };
	struct sesspair_datagram d = capture(1, server);
	uint32_t cid = bytes_get32(d.data);
	size_t used = mem_used(sp.mem[1]);
	int n = sp.nlog;

	unsealed_accept_write(d.data, cid, 77, token, &params);
	d.len = UNSEALED_ACCEPT_LEN;
	ck_assert_int_lt(forge(0, d), 0);
	unsealed_init_write(d.data, cid, token, &params);
	d.len = UNSEALED_INIT_LEN;
	ck_assert_int_lt(forge(1, d), 0);
	unharmed(n, used);
}
END_TEST

/* --- renewal and roaming --- */

START_TEST(keys_are_renewed)
{
	int i, kinds[2] = { 0 }, hours;

	for (hours = 0; hours < 5; hours++) {
		for (i = 0; i < 4; i++) {
			sesspair_write(&sp, client, "tick");
			sesspair_run(&sp, sp.now + HOUR / 4);
			ck_assert_uint_eq(sesspair_read(&sp, server, text, sizeof(text)), 4);
			sesspair_write(&sp, server, "tock");
			sesspair_run(&sp, sp.now + 1000000);
			ck_assert_uint_eq(sesspair_read(&sp, client, text, sizeof(text)), 4);
		}
	}
	for (i = 3; i < sp.nlog; i++)
		kinds[sp.log[i].data[4] & 1]++;
	ck_assert_int_gt(kinds[0], 4);
	ck_assert_int_gt(kinds[1], 4);
}
END_TEST

START_TEST(client_may_move)
{
	int i, n;

	sesspair_write(&sp, client, "before");
	sesspair_settle(&sp);
	sp.nat = 500;
	n = sp.nlog;
	sesspair_write(&sp, client, " and after");
	sesspair_write(&sp, server, "news");
	sesspair_run(&sp, sp.now + 3000000);
	ck_assert_uint_eq(sesspair_read(&sp, server, text, sizeof(text)), 16);
	ck_assert_uint_eq(sesspair_read(&sp, client, text, sizeof(text)), 4);
	ck_assert_uint_eq(session_path(server)->remote.port, 1501);
	ck_assert_uint_eq(session_peer(server)->port, 1001);
	/* Before the new address is proven, only a small question goes there. */
	for (i = n; i < sp.nlog; i++) {
		if (sp.log[i].from == 1 && sp.log[i].path.remote.port == 1501) {
			ck_assert_uint_lt(sp.log[i].len, 64);
			break;
		}
	}
	ck_assert_int_lt(i, sp.nlog);
	session_close(client, false, sp.now);
	session_close(server, false, sp.now);
	sesspair_run(&sp, sp.now + 1000000);
	ck_assert_int_eq(session_error(client), 0);
	ck_assert_int_eq(session_state(server), SESSION_CLOSED);
}
END_TEST

/* For a while: what the server sends to the address that the client had comes back as an error, quoted, a round trip later. */
static void
old_address_refuses(uint64_t until, int *seen)
{
	struct path old = sesspair_path(1, 1);

	for (; sp.now < until; sesspair_run(&sp, sp.now + 1000))
		for (; *seen < sp.nlog && sp.log[*seen].at + 2 * SESSPAIR_DELAY <= sp.now; ++*seen)
			if (sp.log[*seen].from == 1 && sp.log[*seen].path.remote.port == old.remote.port)
				endpoint_icmp(sp.ep[1], &old, KCPSHIM_E_REFUSED, sp.log[*seen].data, 64, sp.now);
}

/* The client moved and said so once; the questions for its new address are lost, and the old one refuses all that comes. */
START_TEST(old_address_ends_nothing)
{
	struct path old = sesspair_path(1, 1);
	int i, n, seen;

	for (i = 0; i < 20; i++) {
		sesspair_write(&sp, server, "a round trip is known ");
		sesspair_settle(&sp);
	}
	sesspair_read(&sp, client, text, sizeof(text));
	sp.nat = 500;
	sp.cut[1] = true;
	seen = sp.nlog;
	sesspair_write(&sp, client, "here");
	sesspair_write(&sp, server, "where?");
	old_address_refuses(sp.now + 600000, &seen);
	ck_assert_int_eq(session_state(server), SESSION_ESTABLISHED);
	sp.cut[1] = false;
	old_address_refuses(sp.now + 5000000, &seen);
	ck_assert_uint_eq(session_path(server)->remote.port, 1501);
	ck_assert_uint_eq(sesspair_read(&sp, client, text, sizeof(text)), 6);
	/* Late ones, and any number of them, do not even make it ask. */
	n = sp.nlog;
	for (i = 0; i < 200; i++) {
		endpoint_icmp(sp.ep[1], &old, KCPSHIM_E_REFUSED, sp.log[n - 1].data, 64, sp.now);
		sesspair_run(&sp, sp.now + 1000);
	}
	ck_assert_int_eq(sesspair_sent(&sp, 1, n), 0);
	ck_assert_int_eq(session_state(server), SESSION_ESTABLISHED);
}
END_TEST

/* The new path is much longer than the old one, whose round trip is all that the server knows. */
START_TEST(client_may_move_far_away)
{
	int i, round;

	for (i = 0; i < 20; i++) {
		sesspair_write(&sp, server, "near ");
		sesspair_settle(&sp);
	}
	sp.nat = 500;
	sp.far = 300000;
	for (round = 0; round < 100 && session_path(server)->remote.port != 1501; round++) {
		sesspair_write(&sp, client, "tick");
		sesspair_run(&sp, sp.now + 20000);
	}
	ck_assert_uint_eq(session_path(server)->remote.port, 1501);
	ck_assert_int_lt(round, 60);
}
END_TEST

/* An attacker who is faster than the client repeats its datagrams from his own address. */
START_TEST(copied_datagrams_move_nothing)
{
	struct path evil = sesspair_path(1, 666);
	struct sesspair_datagram d = capture(0, client);
	int i, n = sp.nlog, to_evil = 0;

	ck_assert_int_eq(endpoint_input(sp.ep[1], &evil, d.data, d.len, sp.now), 0);
	sp.cut[1] = true;
	sesspair_run(&sp, sp.now + 5000000);
	sp.cut[1] = false;
	for (i = n; i < sp.nlog; i++)
		if (sp.log[i].from == 1 && sp.log[i].path.remote.port == 1666) {
			ck_assert_uint_lt(sp.log[i].len, 64);
			to_evil++;
		}
	ck_assert_int_ge(to_evil, 1);
	ck_assert_int_le(to_evil, 4);
	ck_assert_uint_eq(session_path(server)->remote.port, 1001);
	sesspair_write(&sp, client, " more");
	sesspair_run(&sp, sp.now + 5000000);
	ck_assert_uint_eq(sesspair_read(&sp, server, text, sizeof(text)), 13);
}
END_TEST

START_TEST(idle_sessions_are_small)
{
	size_t used[2], i, each;
	int side;

	used[0] = used[1] = 0;
	for (i = 0; i < 300; i++) {
		if (i == 1)
			for (side = 0; side < 2; side++)
				used[side] = mem_used(sp.mem[side]);
		sesspair_connect(&sp, (uint32_t)i + 1, &cfg);
		sesspair_run(&sp, sp.now + 10000000);
		ck_assert_ptr_nonnull(sesspair_accept(&sp));
		sp.nlog = sp.delivered = 0;
	}
	for (side = 0; side < 2; side++) {
		each = (mem_used(sp.mem[side]) - used[side]) / 299;
		ck_assert_msg(each <= IDLE_BYTES, "%zu bytes an idle session", each);
		ck_assert_uint_eq(endpoint_deadline(sp.ep[side]), KCP_NEVER);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sealed");
	TCase *opening = check_group(s, "opening", setup, teardown), *open = check_group(s, "open", setup_open, teardown);

	tcase_add_loop_test(opening, opens_sealed, 0, 2);
	tcase_add_loop_test(opening, strangers_get_silence, 0, 7);
	tcase_add_test(opening, changed_init_is_dropped);
	tcase_add_test(opening, changed_accept_is_dropped);
	tcase_add_loop_test(opening, busy_server_asks_for_a_cookie, 0, 2);
	tcase_add_test(opening, cookie_of_another_address);
	tcase_add_test(opening, idle_sessions_are_small);
	tcase_add_test(open, replayed_init_opens_nothing);
	tcase_add_test(open, changed_data_is_dropped);
	tcase_add_test(open, other_datagrams_are_dropped);
	tcase_add_test(open, guessed_ids_are_unknown);
	tcase_add_test(open, no_downgrade_within);
	tcase_add_test(open, keys_are_renewed);
	tcase_add_test(open, client_may_move);
	tcase_add_test(open, old_address_ends_nothing);
	tcase_add_test(open, client_may_move_far_away);
	tcase_add_test(open, copied_datagrams_move_nothing);
	return check_run(s);
}
