#include <string.h>

#include "checkmain.h"
#include "core/error.h"
#include "core/handshake.h"
#include "core/mem.h"

#define CLIENT_CID 0x11223344u
#define SERVER_CID 0x55667788u
#define KEY_TEXT "alice 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n" \
	"bob ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"

static const struct handshake_params offer = { .time = UINT64_C(1800000000000000000), .rcv_wnd = 1024, .mtu = 1472,
	.nsuites = 2, .suites = { SEAL_AES_256_GCM, SEAL_CHACHA20_POLY1305 } };
static const struct handshake_params answer = { .rcv_wnd = 2048, .mtu = 1400, .nsuites = 1, .suites = { SEAL_AES_256_GCM } };
static const uint8_t client_secret[32] = { 1, 2, 3, 4 };
static const uint8_t server_secret[32] = { 5, 6, 7, 8 };
static const uint8_t nonce[HANDSHAKE_RETRY_NONCE] = { 9 };
static const uint8_t zero[64];

static struct mem *mem;
static struct session_keys *keys;
static struct handshake client, server;
static struct handshake_params got;
static uint8_t accept_d[HANDSHAKE_ACCEPT_LEN];
static struct handshake_keys client_keys, server_keys;

static void
setup(void)
{
	char err[128];

	mem = mem_new(0);
	keys = session_keys_new(mem);
	ck_assert_int_eq(session_keys_load(keys, "keys", KEY_TEXT, strlen(KEY_TEXT), err, sizeof err), 0);
}

static void
teardown(void)
{
	session_keys_free(keys);
	mem_destroy(mem);
}

/* Up to the server having read the INIT. */
static void
start(const struct session_keys *set)
{
	handshake_init_write(&client, CLIENT_CID, session_keys_first(set), client_secret, &offer);
	ck_assert_int_eq(handshake_init_read(&server, set, client.init, sizeof client.init, &got), 0);
}

static void
write_accept(void)
{
	ck_assert_int_eq(handshake_accept_write(&server, SERVER_CID, server_secret, &answer, accept_d, &server_keys),
	    (int)HANDSHAKE_ACCEPT_LEN);
}

static void
assert_same_traffic(const struct traffic_keys *a, const struct traffic_keys *b)
{
	ck_assert_mem_eq(a->secret, b->secret, sizeof a->secret);
	ck_assert_mem_eq(a->key, b->key, sizeof a->key);
	ck_assert_mem_eq(a->iv, b->iv, sizeof a->iv);
}

START_TEST(both_sides_agree)
{
	const struct session_keys *set = _i == 0 ? keys : NULL;

	start(set);
	ck_assert_uint_eq(got.time, offer.time);
	ck_assert_uint_eq(got.rcv_wnd, offer.rcv_wnd);
	ck_assert_uint_eq(got.mtu, offer.mtu);
	ck_assert_uint_eq(got.nsuites, 2);
	ck_assert_uint_eq(server.cid, CLIENT_CID);
	ck_assert_str_eq(server.key_name, _i == 0 ? "alice" : "");
	ck_assert_mem_eq(server.cookie, zero, COOKIE_LEN);
	write_accept();
	ck_assert_int_eq(handshake_accept_read(&client, accept_d, sizeof accept_d, &got, &client_keys), 0);
	ck_assert_uint_eq(got.cid, SERVER_CID);
	ck_assert_uint_eq(got.rcv_wnd, answer.rcv_wnd);
	ck_assert_uint_eq(got.mtu, answer.mtu);
	assert_same_traffic(&client_keys.tx, &server_keys.rx);
	assert_same_traffic(&client_keys.rx, &server_keys.tx);
	ck_assert_mem_ne(client_keys.tx.key, client_keys.rx.key, SEAL_KEY_LEN);
	ck_assert_uint_eq(client_keys.suite, SEAL_AES_256_GCM);
	ck_assert_uint_eq(server_keys.suite, SEAL_AES_256_GCM);
	ck_assert(client_keys.authenticated == (_i == 0));
	ck_assert(server_keys.authenticated == (_i == 0));
	ck_assert_mem_eq(client.secret, zero, sizeof client.secret);
	ck_assert_mem_eq(&server.noise, zero, sizeof server.noise.ck);
}
END_TEST

START_TEST(answers_are_smaller)
{
	ck_assert_uint_lt(HANDSHAKE_ACCEPT_LEN, HANDSHAKE_INIT_LEN);
	ck_assert_uint_lt(HANDSHAKE_RETRY_LEN, HANDSHAKE_INIT_LEN);
	/* An INIT is not shorter than one that brings an ACCEPT. */
	start(keys);
	for (size_t len = 0; len < HANDSHAKE_INIT_LEN; len++) {
		ck_assert_int_eq(handshake_init_read(&server, keys, client.init, len, &got), KCPSHIM_E_SHORT);
		ck_assert(!handshake_is_init(client.init, len));
	}
	ck_assert(handshake_is_init(client.init, HANDSHAKE_INIT_LEN));
	ck_assert_mem_eq(handshake_init_ephemeral(client.init), client.ephemeral, 32);
}
END_TEST

/* Every bit of an INIT is protected but those of the cookie, which says nothing about the session. */
START_TEST(changed_init)
{
	handshake_init_write(&client, CLIENT_CID, session_keys_first(keys), client_secret, &offer);
	for (unsigned bit = 0; bit < 8 * HANDSHAKE_INIT_LEN; bit++) {
		unsigned at = bit / 8;
		int ret;

		client.init[at] ^= (uint8_t)(1u << bit % 8);
		ret = handshake_init_read(&server, keys, client.init, sizeof client.init, &got);
		if (at >= 24 && at < 40)
			ck_assert_int_eq(ret, 0);
		else
			ck_assert_int_lt(ret, 0);
		client.init[at] ^= (uint8_t)(1u << bit % 8);
	}
}
END_TEST

START_TEST(changed_accept)
{
	start(keys);
	write_accept();
	for (unsigned bit = 0; bit < 8 * HANDSHAKE_ACCEPT_LEN; bit++) {
		accept_d[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_int_lt(handshake_accept_read(&client, accept_d, sizeof accept_d, &got, &client_keys), 0);
		accept_d[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t len = 0; len < HANDSHAKE_ACCEPT_LEN; len++)
		ck_assert_int_eq(handshake_accept_read(&client, accept_d, len, &got, &client_keys), KCPSHIM_E_SHORT);
	/* Forgeries cost nothing: the real one still opens. */
	ck_assert_int_eq(handshake_accept_read(&client, accept_d, sizeof accept_d, &got, &client_keys), 0);
}
END_TEST

START_TEST(who_lacks_the_key)
{
	struct session_keys *empty = session_keys_new(mem);
	struct key unknown, wrong = *session_keys_first(keys);
	uint8_t psk[32] = { 77 };

	key_init(&unknown, "mallory", psk);
	memcpy(wrong.psk, psk, sizeof psk);
	handshake_init_write(&client, CLIENT_CID, NULL, client_secret, &offer);
	ck_assert_int_eq(handshake_init_read(&server, keys, client.init, sizeof client.init, &got), KCPSHIM_E_UNKNOWN);
	handshake_init_write(&client, CLIENT_CID, &unknown, client_secret, &offer);
	ck_assert_int_eq(handshake_init_read(&server, keys, client.init, sizeof client.init, &got), KCPSHIM_E_UNKNOWN);
	ck_assert_int_eq(handshake_init_read(&server, empty, client.init, sizeof client.init, &got), KCPSHIM_E_UNKNOWN);
	handshake_init_write(&client, CLIENT_CID, &wrong, client_secret, &offer);
	ck_assert_int_eq(handshake_init_read(&server, keys, client.init, sizeof client.init, &got), KCPSHIM_E_AUTH);
	ck_assert_mem_eq(&server.noise, zero, sizeof server.noise.ck);
	session_keys_free(empty);
}
END_TEST

/* A server in the middle that lacks the key cannot answer, nor turn the session into an unauthenticated one. */
START_TEST(no_downgrade_by_the_answer)
{
	struct handshake mallory;

	handshake_init_write(&client, CLIENT_CID, session_keys_first(keys), client_secret, &offer);
	handshake_init_write(&mallory, CLIENT_CID, NULL, client_secret, &offer);
	ck_assert_int_eq(handshake_init_read(&server, NULL, mallory.init, sizeof mallory.init, &got), 0);
	write_accept();
	ck_assert_int_eq(handshake_accept_read(&client, accept_d, sizeof accept_d, &got, &client_keys), KCPSHIM_E_AUTH);
}
END_TEST

START_TEST(second_key_of_the_file)
{
	struct key bob;
	uint8_t psk[32];

	for (unsigned i = 0; i < sizeof psk; i++)
		psk[i] = (uint8_t)i;
	psk[0] = 0xff;
	key_init(&bob, "bob", psk);
	handshake_init_write(&client, CLIENT_CID, &bob, client_secret, &offer);
	ck_assert_int_eq(handshake_init_read(&server, keys, client.init, sizeof client.init, &got), 0);
	ck_assert_str_eq(server.key_name, "bob");
}
END_TEST

START_TEST(suites_that_were_not_offered)
{
	struct handshake_params one = offer, bad = answer;

	one.nsuites = 1;
	one.suites[0] = SEAL_CHACHA20_POLY1305;
	handshake_init_write(&client, CLIENT_CID, NULL, client_secret, &one);
	ck_assert_int_eq(handshake_init_read(&server, NULL, client.init, sizeof client.init, &got), 0);
	write_accept();
	ck_assert_int_eq(handshake_accept_read(&client, accept_d, sizeof accept_d, &got, &client_keys), KCPSHIM_E_AUTH);
	start(keys);
	bad.suites[0] = SEAL_NONE;
	ck_assert_int_eq(handshake_accept_write(&server, SERVER_CID, server_secret, &bad, accept_d, &server_keys), KCPSHIM_E_RANGE);
	bad.nsuites = 2;
	ck_assert_int_eq(handshake_accept_write(&server, SERVER_CID, server_secret, &bad, accept_d, &server_keys), KCPSHIM_E_RANGE);
}
END_TEST

START_TEST(retry)
{
	uint8_t cookie[COOKIE_LEN], first[HANDSHAKE_INIT_LEN], d[HANDSHAKE_RETRY_LEN];

	memset(cookie, 0xc0, sizeof cookie);
	start(keys);
	memcpy(first, client.init, sizeof first);
	ck_assert_uint_eq(handshake_retry_write(&server, cookie, nonce, d), HANDSHAKE_RETRY_LEN);
	for (unsigned bit = 0; bit < 8 * HANDSHAKE_RETRY_LEN; bit++) {
		d[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_int_lt(handshake_retry_read(&client, d, sizeof d), 0);
		ck_assert_mem_eq(client.init, first, sizeof first);
		d[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	ck_assert_int_eq(handshake_retry_read(&client, d, sizeof d - 1), KCPSHIM_E_SHORT);
	ck_assert_int_eq(handshake_retry_read(&client, d, sizeof d), 0);
	ck_assert_mem_eq(client.init + 24, cookie, sizeof cookie);
	memcpy(first + 24, cookie, sizeof cookie);
	ck_assert_mem_eq(client.init, first, sizeof first);
	ck_assert_int_eq(handshake_init_read(&server, keys, client.init, sizeof client.init, &got), 0);
	ck_assert_mem_eq(server.cookie, cookie, sizeof cookie);
	write_accept();
	ck_assert_int_eq(handshake_accept_read(&client, accept_d, sizeof accept_d, &got, &client_keys), 0);
	assert_same_traffic(&client_keys.tx, &server_keys.rx);
}
END_TEST

/* A cookie for one INIT says nothing to the sender of another, nor to who recorded the INIT but lacks the key. */
START_TEST(retry_of_another_init)
{
	uint8_t cookie[COOKIE_LEN] = { 1 }, other_secret[32] = { 42 }, d[HANDSHAKE_RETRY_LEN];

	start(keys);
	handshake_retry_write(&server, cookie, nonce, d);
	handshake_init_write(&client, CLIENT_CID, session_keys_first(keys), other_secret, &offer);
	ck_assert_int_eq(handshake_retry_read(&client, d, sizeof d), KCPSHIM_E_AUTH);
	handshake_init_write(&client, CLIENT_CID, NULL, client_secret, &offer);
	ck_assert_int_eq(handshake_retry_read(&client, d, sizeof d), KCPSHIM_E_AUTH);
	handshake_init_write(&client, CLIENT_CID + 1, session_keys_first(keys), client_secret, &offer);
	ck_assert_int_eq(handshake_retry_read(&client, d, sizeof d), KCPSHIM_E_FORMAT);
}
END_TEST

/* A client's public key of small order, correctly sealed: without a pre-shared key anybody can do that. */
START_TEST(low_order_client_key)
{
	uint8_t prologue[9 + 24], plain[PARAMS_LEN];
	struct noise noise;

	handshake_init_write(&client, CLIENT_CID, NULL, client_secret, &offer);
	memset(client.init + 40, 0, 32);
	memcpy(prologue, "kcpshim 1", 9);
	memcpy(prologue + 9, client.init, 24);
	noise_init(&noise, prologue, sizeof prologue);
	noise_first(&noise, zero, client.init + 40);
	params_write(&offer, plain);
	noise_seal(&noise, client.init + HANDSHAKE_INIT_HEADER, plain, sizeof plain);
	ck_assert_int_eq(handshake_init_read(&server, NULL, client.init, sizeof client.init, &got), 0);
	ck_assert_int_eq(handshake_accept_write(&server, SERVER_CID, server_secret, &answer, accept_d, &server_keys), KCPSHIM_E_AUTH);
}
END_TEST

/* Longer parameters, with an entry of a later version, are read; beyond the cap they are not. */
START_TEST(longer_init)
{
	uint8_t d[HANDSHAKE_INIT_HEADER + PARAMS_MAX + 32], prologue[9 + 24], plain[PARAMS_MAX + 16] = { 0 };
	size_t len = _i == 0 ? PARAMS_MAX : PARAMS_MAX + 16;
	struct noise noise;

	handshake_init_write(&client, CLIENT_CID, NULL, client_secret, &offer);
	memcpy(d, client.init, HANDSHAKE_INIT_HEADER);
	memcpy(prologue, "kcpshim 1", 9);
	memcpy(prologue + 9, d, 24);
	params_write(&offer, plain + 102);
	plain[0] = 99;
	plain[1] = 100;
	noise_init(&noise, prologue, sizeof prologue);
	noise_first(&noise, zero, d + 40);
	noise_seal(&noise, d + HANDSHAKE_INIT_HEADER, plain, len);
	if (_i == 0) {
		ck_assert_int_eq(handshake_init_read(&server, NULL, d, HANDSHAKE_INIT_HEADER + len + 16, &got), 0);
		ck_assert_uint_eq(got.rcv_wnd, offer.rcv_wnd);
	} else {
		ck_assert_int_eq(handshake_init_read(&server, NULL, d, HANDSHAKE_INIT_HEADER + len + 16, &got), KCPSHIM_E_FORMAT);
	}
}
END_TEST

START_TEST(headers)
{
	start(keys);
	client.init[5] = 2;
	ck_assert_int_eq(handshake_init_read(&server, keys, client.init, sizeof client.init, &got), KCPSHIM_E_VERSION);
	ck_assert(!handshake_is_init(client.init, sizeof client.init));
	client.init[5] = 1;
	client.init[6] = 1;
	ck_assert_int_eq(handshake_init_read(&server, keys, client.init, sizeof client.init, &got), KCPSHIM_E_FORMAT);
	client.init[6] = 0;
	memset(client.init, 0, 4);
	ck_assert_int_eq(handshake_init_read(&server, keys, client.init, sizeof client.init, &got), KCPSHIM_E_FORMAT);
	ck_assert(!handshake_is_init(client.init, sizeof client.init));
}
END_TEST

START_TEST(wiping)
{
	static const struct handshake none;

	start(keys);
	handshake_wipe(&client);
	ck_assert_mem_eq(&client, &none, sizeof none);
	write_accept();
	handshake_keys_wipe(&server_keys);
	ck_assert_mem_eq(server_keys.tx.key, zero, SEAL_KEY_LEN);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("handshake");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, both_sides_agree, 0, 2);
	tcase_add_test(tc, answers_are_smaller);
	tcase_add_test(tc, changed_init);
	tcase_add_test(tc, changed_accept);
	tcase_add_test(tc, who_lacks_the_key);
	tcase_add_test(tc, no_downgrade_by_the_answer);
	tcase_add_test(tc, second_key_of_the_file);
	tcase_add_test(tc, suites_that_were_not_offered);
	tcase_add_test(tc, retry);
	tcase_add_test(tc, retry_of_another_init);
	tcase_add_test(tc, low_order_client_key);
	tcase_add_loop_test(tc, longer_init, 0, 2);
	tcase_add_test(tc, headers);
	tcase_add_test(tc, wiping);
	return check_main("handshake", tc);
}
