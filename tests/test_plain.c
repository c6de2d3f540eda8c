/* The plain wire: sessions without open, close or reset. */
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <nettle/sha2.h>

#include "core/bytes.h"
#include "core/error.h"
#include "core/keys.h"
#include "json.h"
#include "sesspair.h"
#include "checkmain.h"

static struct sesspair sp;
static struct session_config cfg;
static struct session_keys *keys;
static struct mem *key_mem;
static struct session *client, *server;
static char text[65536];

static void
setup(void)
{
	static const uint8_t key[64] = { 1, 2, 3 };

	session_config_default(&cfg);
	kcp_config_default(&cfg.kcp, WIRE_PLAIN);
	cfg.plain = true;
	cfg.idle_timeout_us = 600000000;
	key_mem = mem_new(0);
	keys = session_keys_new(key_mem);
	session_keys_set_aiokcp(keys, key);
	sesspair_init(&sp, &cfg);
}

static void
setup_open(void)
{
	setup();
	sesspair_open(&sp, &cfg, &client, &server);
}

static void
teardown(void)
{
	sesspair_dispose(&sp);
	session_keys_free(keys);
	mem_destroy(key_mem);
}

/* One plain segment. */
static size_t
segment(uint8_t *d, uint32_t conv, uint8_t cmd, uint32_t sn, const char *payload)
{
	size_t len = strlen(payload);

	memset(d, 0, 24);
	bytes_put32(d, conv);
	d[4] = cmd;
	bytes_put16(d + 6, 128);
	bytes_put32(d + 12, sn);
	bytes_put32(d + 20, (uint32_t)len);
	memcpy(d + 24, payload, len);
	return 24 + len;
}

static int
give(int side, uint32_t sock, uint32_t conv, uint8_t cmd, uint32_t sn, const char *payload)
{
	struct path p = sesspair_path(side, sock);
	uint8_t d[1500];
	size_t len = segment(d, conv, cmd, sn, payload);

	return endpoint_input(sp.ep[side], &p, d, len, sp.now);
}

START_TEST(empty_push_opens)
{
	client = sesspair_connect(&sp, 1, &cfg);
	ck_assert_int_eq(session_state(client), SESSION_CONNECTING);
	sesspair_run(&sp, sp.now + SESSPAIR_DELAY);
	ck_assert_uint_eq(sp.log[0].len, 24);
	ck_assert_uint_eq(sp.log[0].data[4], 81);
	ck_assert_uint_eq(bytes_get32(sp.log[0].data + 20), 0);
	server = sesspair_accept(&sp);
	ck_assert_ptr_nonnull(server);
	sesspair_run(&sp, sp.now + 2 * SESSPAIR_DELAY);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
	sesspair_write(&sp, server, "the server speaks first");
	sesspair_settle(&sp);
	ck_assert_uint_eq(sesspair_read(&sp, client, text, sizeof(text)), 23);
}
END_TEST

START_TEST(open_none_is_open_at_once)
{
	cfg.open_empty_push = false;
	client = sesspair_connect(&sp, 1, &cfg);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
	ck_assert_ptr_eq(endpoint_next_ready(sp.ep[0]), client);
	ck_assert_uint_ne(session_take_events(client) & SESSION_EV_OPENED, 0);
	sesspair_run(&sp, sp.now + 1000000);
	ck_assert_int_eq(sp.nlog, 0);
	sesspair_write(&sp, client, "first");
	sesspair_settle(&sp);
	server = sesspair_accept(&sp);
	ck_assert_uint_eq(sesspair_read(&sp, server, text, sizeof(text)), 5);
}
END_TEST

static void
nobody_answers(int error, uint64_t wait)
{
	struct path p = sesspair_path(0, 1);

	sp.cut[0] = true;
	sesspair_run(&sp, sp.now + 1000);
	if (error != 0)
		endpoint_icmp(sp.ep[0], &p, error, NULL, 0, sp.now);
	sesspair_run(&sp, sp.now + wait);
	ck_assert_int_eq(session_state(client), SESSION_CLOSED);
	ck_assert_int_eq(session_error(client), error != 0 ? error : KCPSHIM_E_TIMEDOUT);
}

START_TEST(refused)
{
	cfg.open_empty_push = _i == 0;
	client = sesspair_connect(&sp, 1, &cfg);
	if (_i == 1)
		sesspair_write(&sp, client, "anybody?");
	nobody_answers(KCPSHIM_E_REFUSED, 0);
}
END_TEST

START_TEST(silence_times_out)
{
	cfg.open_empty_push = _i == 0;
	client = sesspair_connect(&sp, 1, &cfg);
	if (_i == 1)
		sesspair_write(&sp, client, "anybody?");
	nobody_answers(0, 127100000);
}
END_TEST

/* Only a PUSH with the first segment of a stream makes a session; nothing else leaves a trace. */
START_TEST(only_a_first_push_opens)
{
	static const struct {
		uint8_t cmd;
		uint32_t sn;
		bool opens;
	} cases[] = {
		{ 82, 0, false }, { 83, 0, false }, { 84, 0, false }, { 80, 0, false }, { 85, 0, false }, { 0, 0, false }, { 255, 0, false },
		{ 0xc0, 0, false }, { 81, 1, false }, { 81, 127, false }, { 81, 0xffffffff, false }, { 81, 0, true },
	};
	size_t used = mem_used(sp.mem[1]);
	int error = give(1, 1, 0x1234, cases[_i].cmd, cases[_i].sn, "hello");

	sesspair_settle(&sp);
	if (cases[_i].opens) {
		ck_assert_int_eq(error, 0);
		ck_assert_ptr_nonnull(sesspair_accept(&sp));
		return;
	}
	ck_assert_int_lt(error, 0);
	ck_assert_uint_eq(mem_used(sp.mem[1]), used);
	ck_assert_int_eq(sp.nlog, 0);
}
END_TEST

START_TEST(full_queue_opens_nothing)
{
	endpoint_listener_room(sp.ep[1], (uint32_t)sp.listener, 1);
	ck_assert_int_eq(give(1, 1, 1, 81, 0, "a"), 0);
	ck_assert_int_eq(give(1, 2, 2, 81, 0, "b"), KCPSHIM_E_FULL);
}
END_TEST

/* The client's port is used again by another program. */
START_TEST(another_conv_replaces)
{
	struct session *next;

	while (sesspair_accept(&sp) != NULL)
		;
	ck_assert_int_lt(give(1, 1, 0x4242, 81, 5, "not a first segment"), 0);
	ck_assert_int_lt(give(1, 1, 0x4242, 84, 0, ""), 0);
	ck_assert_int_eq(session_state(server), SESSION_ESTABLISHED);
	ck_assert_int_eq(give(1, 1, 0x4242, 81, 0, "new"), 0);
	ck_assert_int_eq(session_state(server), SESSION_CLOSED);
	ck_assert_int_eq(session_error(server), KCPSHIM_E_RESET);
	while ((next = sesspair_accept(&sp)) == server)
		endpoint_release(sp.ep[1], server);
	ck_assert_ptr_nonnull(next);
	ck_assert_uint_eq(sesspair_read(&sp, next, text, sizeof(text)), 3);
}
END_TEST

/* A client never takes another conv. */
START_TEST(client_keeps_its_conv)
{
	ck_assert_int_lt(give(0, 1, 0x4242, 81, 0, "who are you?"), 0);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
	ck_assert_uint_eq(session_recv_ready(client), 0);
}
END_TEST

/* Two sessions of one client socket are told apart by conv. */
START_TEST(clients_share_a_path)
{
	struct session *other;
	uint32_t conv[2];
	int n = sp.nlog;

	other = sesspair_connect(&sp, 1, &cfg);
	sp.cut[0] = true;
	sesspair_run(&sp, sp.now + 1000);
	conv[0] = bytes_get32(sp.log[0].data);
	conv[1] = bytes_get32(sp.log[n].data);
	ck_assert_uint_ne(conv[0], conv[1]);
	ck_assert_int_eq(give(0, 1, conv[1], 81, 0, "second"), 0);
	ck_assert_int_eq(session_state(other), SESSION_ESTABLISHED);
	ck_assert_uint_eq(sesspair_read(&sp, other, text, sizeof(text)), 6);
	ck_assert_uint_eq(session_recv_ready(client), 0);
}
END_TEST

START_TEST(close_delivers_and_stops)
{
	int n;

	memset(text, 'c', 20000);
	text[20000] = '\0';
	sesspair_write(&sp, client, text);
	session_close(client, false, sp.now);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
	sesspair_run(&sp, sp.now + 2000000);
	ck_assert_uint_eq(sesspair_read(&sp, server, text, sizeof(text)), 20000);
	ck_assert(!session_recv_eof(server));
	sesspair_run(&sp, sp.now + 11000000);
	ck_assert_int_eq(session_state(client), SESSION_CLOSED);
	ck_assert_int_eq(session_error(client), 0);
	n = sp.nlog;
	sesspair_run(&sp, sp.now + 100000000);
	ck_assert_int_eq(sesspair_sent(&sp, 0, n), 0);
	ck_assert_int_eq(session_state(server), SESSION_ESTABLISHED);
}
END_TEST

START_TEST(bytes_after_close_are_discarded)
{
	sesspair_write(&sp, client, "unacknowledged");
	sp.cut[0] = true;
	session_close(client, false, sp.now);
	sesspair_write(&sp, server, "nobody reads this");
	sesspair_run(&sp, sp.now + 50000);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
	ck_assert_uint_eq(session_recv_ready(client), 0);
	sp.cut[0] = false;
	sesspair_run(&sp, sp.now + 5000000);
	ck_assert_uint_eq(sesspair_read(&sp, server, text, sizeof(text)), 14);
	ck_assert_int_ge(session_state(client), SESSION_LINGERING);
}
END_TEST

START_TEST(idle_timeout_ends)
{
	sesspair_run(&sp, sp.now + 599000000);
	ck_assert_int_eq(session_state(server), SESSION_ESTABLISHED);
	sesspair_run(&sp, sp.now + 2000000);
	ck_assert_int_eq(session_state(server), SESSION_CLOSED);
	ck_assert_int_eq(session_error(server), KCPSHIM_E_TIMEDOUT);
}
END_TEST

/* WASK asks, WINS answers; without an answer the session ends. */
START_TEST(keepalive_by_window_probes)
{
	int n = sp.nlog;

	session_set_timeouts(client, 0, 10000000, 2000000, 3, sp.now);
	sesspair_run(&sp, sp.now + 25000000);
	ck_assert_int_eq(session_state(client), SESSION_ESTABLISHED);
	ck_assert_uint_eq(sp.log[n].data[4], 83);
	ck_assert_uint_eq(sp.log[n + 1].data[4], 84);
	sp.cut[1] = true;
	sesspair_run(&sp, sp.now + 30000000);
	ck_assert_int_eq(session_error(client), KCPSHIM_E_TIMEDOUT);
}
END_TEST

/* Whatever a datagram holds, the session survives it. */
START_TEST(wire_errors_are_harmless)
{
	uint32_t conv = bytes_get32(sp.log[0].data), len;
	struct path p = sesspair_path(1, 1);
	uint8_t d[200];
	int cmd;

	for (cmd = 0; cmd < 256; cmd++)
		give(1, 1, conv, (uint8_t)cmd, 0x80000000u, "x");
	for (len = 0; len < 60; len++) {
		segment(d, conv, 81, 7, "0123456789012345678901234567890123456789");
		endpoint_input(sp.ep[1], &p, d, len, sp.now);
		segment(d, conv, 81, 7, "0123456789012345678901234567890123456789");
		bytes_put32(d + 20, len * 0x11111111u);
		endpoint_input(sp.ep[1], &p, d, 64, sp.now);
	}
	sesspair_write(&sp, client, "unharmed");
	sesspair_settle(&sp);
	ck_assert_int_eq(session_state(server), SESSION_ESTABLISHED);
	ck_assert_uint_eq(sesspair_read(&sp, server, text, sizeof(text)), 8);
}
END_TEST

START_TEST(aiokcp_encryption)
{
	int listener, i;

	cfg.crypto = SESSION_CRYPTO_AES_CBC;
	ck_assert_ptr_null(endpoint_connect(sp.ep[0], &(struct path){ .sock = 5 }, &cfg, sp.now));
	cfg.keys = keys;
	endpoint_unlisten(sp.ep[1], (uint32_t)sp.listener);
	listener = endpoint_listen(sp.ep[1], 1, &cfg);
	ck_assert_int_gt(listener, 0);
	sesspair_open(&sp, &cfg, &client, &server);
	memset(text, 'e', 5000);
	text[5000] = '\0';
	sesspair_write(&sp, client, text);
	sesspair_settle(&sp);
	ck_assert_uint_eq(sesspair_read(&sp, server, text, sizeof(text)), 5000);
	for (i = 0; i < sp.nlog; i++) {
		ck_assert_uint_le(sp.log[i].len, 1400);
		ck_assert_uint_eq(sp.log[i].len % 16, 0);
	}
	/* What does not verify is nobody's. */
	ck_assert_int_eq(give(1, 2, 1, 81, 0, "not encrypted, and long enough to be something that one has to decrypt"), KCPSHIM_E_AUTH);
	ck_assert_int_lt(give(1, 1, 1, 81, 0, "short"), 0);
	ck_assert_int_eq(session_state(server), SESSION_ESTABLISHED);
}
END_TEST

/* --- what real aiokcp clients sent --- */

/* Gives an endpoint what the client of a recording sent; it must hand over the same bytes. */
static void
replay_client(const struct json *recording)
{
	const struct json *sent = json_get(recording, "client_sent"), *g;
	struct path p = sesspair_path(1, 1000);
	uint64_t start = sp.now;
	uint8_t d[2048], digest[SHA256_DIGEST_SIZE], expect[SHA256_DIGEST_SIZE];
	struct session *s = NULL, *e;
	struct sha256_ctx sha;
	size_t n, got = 0, want = (size_t)json_number(sent, "length");

	sha256_init(&sha);
	for (g = json_get(recording, "datagrams")->child; g != NULL; g = g->next) {
		if (strcmp(json_text(g, "from"), "client") != 0)
			continue;
		sesspair_run(&sp, start + (uint64_t)(json_number(g, "t_ms") * 1000));
		n = json_hex(g, "hex", d, sizeof(d));
		endpoint_input(sp.ep[1], &p, d, n, sp.now);
		while ((e = sesspair_accept(&sp)) != NULL)
			s = s == NULL ? e : s;
		n = s != NULL ? sesspair_read(&sp, s, text, sizeof(text)) : 0;
		/* In some recordings the client writes on after the recorded server had closed. */
		sha256_update(&sha, n < want - got ? n : want - got, (uint8_t *)text);
		got += n < want - got ? n : want - got;
	}
	ck_assert_uint_eq(got, want);
	sha256_digest(&sha, sizeof(digest), digest);
	ck_assert_uint_eq(json_hex(sent, "sha256", expect, sizeof(expect)), sizeof(expect));
	ck_assert_mem_eq(digest, expect, sizeof(expect));
	endpoint_release(sp.ep[1], s);
}

START_TEST(recorded_clients)
{
	struct json *root = json_load_vectors("aiokcp-plain.json");
	const struct json *r;
	int n = 0;

	for (r = json_get(root, "sessions")->child; r != NULL; r = r->next, n++)
		replay_client(r);
	ck_assert_int_gt(n, 5);
	json_free(root);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("plain");
	TCase *opening = check_group(s, "opening", setup, teardown), *open = check_group(s, "open", setup_open, teardown);

	tcase_add_test(opening, empty_push_opens);
	tcase_add_test(opening, open_none_is_open_at_once);
	tcase_add_loop_test(opening, refused, 0, 2);
	tcase_add_loop_test(opening, silence_times_out, 0, 2);
	tcase_add_loop_test(opening, only_a_first_push_opens, 0, 12);
	tcase_add_test(opening, full_queue_opens_nothing);
	tcase_add_test(opening, aiokcp_encryption);
	tcase_add_test(opening, recorded_clients);
	tcase_add_test(open, another_conv_replaces);
	tcase_add_test(open, client_keeps_its_conv);
	tcase_add_test(open, clients_share_a_path);
	tcase_add_test(open, close_delivers_and_stops);
	tcase_add_test(open, bytes_after_close_are_discarded);
	tcase_add_test(open, idle_timeout_ends);
	tcase_add_test(open, keepalive_by_window_probes);
	tcase_add_test(open, wire_errors_are_harmless);
	return check_run(s);
}
