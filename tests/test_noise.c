#include <string.h>

#include <check.h>
#include <nettle/chacha-poly1305.h>

#include "core/error.h"
#include "core/noise.h"
#include "core/traffic.h"
#include "checkmain.h"
#include "json.h"

static void
hex(uint8_t *out, size_t len, const char *text)
{
	ck_assert_int_eq(hex_decode(text, out, len), (long)len);
}

/* RFC 7748, section 6.1. */
START_TEST(public_keys)
{
	static const char *const pairs[][2] = {
		{ "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
		    "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a" },
		{ "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
		    "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f" },
	};
	uint8_t secret[32], want[32], got[32];

	hex(secret, 32, pairs[_i][0]);
	hex(want, 32, pairs[_i][1]);
	noise_public(got, secret);
	ck_assert_mem_eq(got, want, 32);
}
END_TEST

/* Noise_NNpsk0_25519_ChaChaPoly_SHA256 of the public "cacophony" set of Noise test vectors. */
static const char psk_text[] = "54686973206973206d7920417573747269616e20706572737065637469766521";
static const char client_secret_text[] = "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a";
static const char server_secret_text[] = "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b";
static const char hash_text[] = "f4d03dc34495c95729ea6de9e1b59004b59733102488b3e24bc441e0be208eaf";
static const char first_text[] = "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944"
    "79b962b8aff8485742ac32f905ba45369e2465fb59e138a93d67a0d1266b6a54";
static const char second_text[] = "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843"
    "d6062704d5a9c422a8e834423f8c1feada7e8d0d910a1a2cd030fb584221e3";
static const char third_text[] = "e632c3763d7669067383433197a3baddf146e9e70ad4b4e9e59e0f";
static const char fourth_text[] = "64c6bee32ea91c8474bb4c21d7a700109ad45af77b29764ba5eb1e";

struct party {
	struct noise noise;
	uint8_t secret[32], public_key[32];
};

static void
party_init(struct party *p, const char *secret)
{
	hex(p->secret, 32, secret);
	noise_public(p->public_key, p->secret);
	noise_init(&p->noise, (const uint8_t *)"John Galt", 9);
}

/* Both parties up to the end of message 1. */
static void
run_first(struct party *client, struct party *server)
{
	uint8_t psk[32], want[64], got[64], plain[16];

	hex(psk, 32, psk_text);
	hex(want, 64, first_text);
	party_init(client, client_secret_text);
	party_init(server, server_secret_text);
	memcpy(got, client->public_key, 32);
	noise_first(&client->noise, psk, client->public_key);
	noise_seal(&client->noise, got + 32, (const uint8_t *)"Ludwig von Mises", 16);
	ck_assert_mem_eq(got, want, 64);
	noise_first(&server->noise, psk, got);
	ck_assert_int_eq(noise_open(&server->noise, plain, got + 32, 32), 0);
	ck_assert_mem_eq(plain, "Ludwig von Mises", 16);
}

static void
run_second(struct party *client, struct party *server)
{
	uint8_t want[63], got[63], plain[15], hash[32];

	hex(want, 63, second_text);
	hex(hash, 32, hash_text);
	memcpy(got, server->public_key, 32);
	ck_assert_int_eq(noise_second(&server->noise, server->secret, client->public_key, server->public_key), 0);
	noise_seal(&server->noise, got + 32, (const uint8_t *)"Murray Rothbard", 15);
	ck_assert_mem_eq(got, want, 63);
	ck_assert_int_eq(noise_second(&client->noise, client->secret, got, got), 0);
	ck_assert_int_eq(noise_open(&client->noise, plain, got + 32, 31), 0);
	ck_assert_mem_eq(plain, "Murray Rothbard", 15);
	ck_assert_mem_eq(client->noise.h, hash, 32);
	ck_assert_mem_eq(server->noise.h, hash, 32);
}

/* Transport message 0 of a direction, made with the key from Split and no associated data. */
static void
check_transport(const uint8_t key[32], const char *text, const char *plain)
{
	static const uint8_t nonce[12];
	struct chacha_poly1305_ctx c;
	uint8_t want[64], got[64];
	size_t len = strlen(plain);

	hex(want, len + 16, text);
	chacha_poly1305_set_key(&c, key);
	chacha_poly1305_set_nonce(&c, nonce);
	chacha_poly1305_encrypt(&c, len, got, (const uint8_t *)plain);
	chacha_poly1305_digest(&c, 16, got + len);
	ck_assert_mem_eq(got, want, len + 16);
}

START_TEST(published_vector)
{
	struct party client, server;
	uint8_t a[2][32], b[2][32];

	run_first(&client, &server);
	run_second(&client, &server);
	noise_split(&client.noise, a[0], a[1]);
	noise_split(&server.noise, b[0], b[1]);
	ck_assert_mem_eq(a, b, sizeof a);
	check_transport(a[0], third_text, "F. A. Hayek");
	check_transport(a[1], fourth_text, "Carl Menger");
}
END_TEST

START_TEST(changed_messages_do_not_open)
{
	struct party client, server;
	struct noise before;
	uint8_t sealed[32], plain[16], psk[32] = { 1 };

	party_init(&client, client_secret_text);
	party_init(&server, server_secret_text);
	noise_first(&client.noise, psk, client.public_key);
	noise_seal(&client.noise, sealed, (const uint8_t *)"0123456789abcdef", 16);
	noise_first(&server.noise, psk, client.public_key);
	before = server.noise;
	for (unsigned bit = 0; bit < 8 * sizeof sealed; bit++) {
		sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_int_eq(noise_open(&server.noise, plain, sealed, sizeof sealed), KCPSHIM_E_AUTH);
		ck_assert_mem_eq(&server.noise, &before, sizeof before);
		sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	ck_assert_int_eq(noise_open(&server.noise, plain, sealed, 15), KCPSHIM_E_SHORT);
	ck_assert_int_eq(noise_open(&server.noise, plain, sealed, sizeof sealed), 0);
}
END_TEST

START_TEST(other_psk_or_prologue)
{
	struct party client, server;
	uint8_t sealed[32], plain[16], psk[32] = { 1 }, other[32] = { 2 };

	party_init(&client, client_secret_text);
	noise_first(&client.noise, psk, client.public_key);
	noise_seal(&client.noise, sealed, (const uint8_t *)"0123456789abcdef", 16);
	party_init(&server, server_secret_text);
	noise_first(&server.noise, other, client.public_key);
	ck_assert_int_eq(noise_open(&server.noise, plain, sealed, sizeof sealed), KCPSHIM_E_AUTH);
	noise_init(&server.noise, (const uint8_t *)"John Gal7", 9);
	noise_first(&server.noise, psk, client.public_key);
	ck_assert_int_eq(noise_open(&server.noise, plain, sealed, sizeof sealed), KCPSHIM_E_AUTH);
}
END_TEST

/* Points of small order (RFC 7748, 6.1): the shared secret would be zero, whatever the other side's key. */
START_TEST(low_order_points)
{
	static const char *const points[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};
	struct party server;
	uint8_t point[32];

	party_init(&server, server_secret_text);
	hex(point, 32, points[_i]);
	ck_assert_int_eq(noise_second(&server.noise, server.secret, point, server.public_key), KCPSHIM_E_AUTH);
}
END_TEST

/* noise_export() is HKDF-Expand with the chaining key: RFC 5869, A.1, whose PRK takes that place. */
START_TEST(expand)
{
	struct noise noise = { .n = 0 };
	uint8_t want[42], got[42], info[10];

	hex(noise.ck, 32, "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
	hex(info, 10, "f0f1f2f3f4f5f6f7f8f9");
	hex(want, 42, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
	traffic_expand(noise.ck, info, sizeof info, got, sizeof got);
	ck_assert_mem_eq(got, want, sizeof got);
	traffic_expand(noise.ck, "label", 5, want, 32);
	noise_export(&noise, "label", got, 32);
	ck_assert_mem_eq(got, want, 32);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("noise");

	tcase_add_loop_test(tc, public_keys, 0, 2);
	tcase_add_test(tc, published_vector);
	tcase_add_test(tc, changed_messages_do_not_open);
	tcase_add_test(tc, other_psk_or_prologue);
	tcase_add_loop_test(tc, low_order_points, 0, 7);
	tcase_add_test(tc, expand);
	return check_main("noise", tc);
}
