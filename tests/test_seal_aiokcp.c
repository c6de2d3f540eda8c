#include <string.h>

#include "checkmain.h"
#include "core/error.h"
#include "core/mem.h"
#include "core/seal.h"
#include "core/seal_aiokcp.h"
#include "json.h"

#define DATAGRAM_MAX 2048u

static struct mem *mem;
static struct json *vectors;
static struct seal *seal;

static void
setup(void)
{
	uint8_t key[SEAL_AIOKCP_KEY_LEN];

	mem = mem_new(0);
	vectors = json_load_vectors("aiokcp-aes.json");
	json_hex(vectors, "sign_key", key, 32);
	json_hex(vectors, "encrypt_key", key + 32, 32);
	seal = seal_aiokcp_new(mem, key);
	ck_assert_ptr_nonnull(seal);
}

static void
teardown(void)
{
	seal_free(mem, seal);
	json_free(vectors);
	ck_assert_uint_eq(mem_used(mem), 0);
	mem_destroy(mem);
}

START_TEST(derivation)
{
	uint8_t key[64], salt[64], want[64], got[64];
	size_t key_len = json_hex(vectors, "key", key, sizeof key), salt_len = json_hex(vectors, "salt", salt, sizeof salt);

	ck_assert_uint_eq((unsigned)json_number(vectors, "iterations"), SEAL_AIOKCP_ITERATIONS);
	json_hex(vectors, "sign_key", want, 32);
	json_hex(vectors, "encrypt_key", want + 32, 32);
	seal_aiokcp_derive(got, key, key_len, salt, salt_len);
	ck_assert_mem_eq(got, want, sizeof got);
}
END_TEST

/* Opens a token and, when it is genuine, seals the result again with the token's iv: the same bytes have to come out. */
static void
check_token(const char *name, const uint8_t *token, size_t len, const uint8_t *want, long want_len)
{
	uint8_t buf[DATAGRAM_MAX], *plain = NULL;
	int ret;

	memcpy(buf, token, len);
	ret = seal_open(seal, 0, NULL, 0, buf, len, &plain);
	if (want_len < 0) {
		ck_assert_msg(ret == KCPSHIM_E_AUTH || ret == KCPSHIM_E_SHORT, "%s: %d", name, ret);
		return;
	}
	ck_assert_msg(ret == want_len, "%s: %d", name, ret);
	ck_assert_mem_eq(plain, want, (size_t)want_len);
	memset(buf, 0xee, sizeof buf);
	memcpy(buf + seal_head(seal), want, (size_t)want_len);
	ret = seal_protect(seal, 0, NULL, 0, buf, (size_t)want_len, token);
	ck_assert_int_eq(ret, (int)len);
	ck_assert_mem_eq(buf, token, len);
	ck_assert_uint_ge(seal_head(seal) + (size_t)want_len + seal_tail(seal), len);
}

START_TEST(samples)
{
	const struct json *list = json_get(vectors, "samples");
	unsigned opened = 0, rejected = 0;

	for (const struct json *s = list->child; s != NULL; s = s->next) {
		uint8_t token[DATAGRAM_MAX], want[DATAGRAM_MAX];
		size_t len = json_hex(s, "token", token, sizeof token);
		bool ok = strcmp(json_text(s, "result"), "ok") == 0;
		long want_len = ok ? (long)json_hex(s, "plain", want, sizeof want) : -1;

		check_token(json_text(s, "name"), token, len, want, want_len);
		opened += ok;
		rejected += !ok;
	}
	ck_assert_uint_eq(opened + rejected, json_length(list));
	ck_assert_uint_ge(opened, 9);
	ck_assert_uint_ge(rejected, 13);
}
END_TEST

/* Every datagram of the recorded sessions; one that the recording could not decrypt has no plain_hex and is refused. */
START_TEST(recorded_sessions)
{
	size_t datagrams = 0;

	for (const struct json *s = json_get(vectors, "sessions")->child; s != NULL; s = s->next) {
		for (const struct json *d = json_get(s, "datagrams")->child; d != NULL; d = d->next) {
			uint8_t token[DATAGRAM_MAX], want[DATAGRAM_MAX];
			size_t len = json_hex(d, "hex", token, sizeof token);
			const struct json *plain = json_get(d, "plain_hex");
			bool ok = plain != NULL && plain->type == JSON_STRING;

			check_token(json_text(s, "name"), token, len, want, ok ? (long)json_hex(d, "plain_hex", want, sizeof want) : -1);
			datagrams++;
		}
	}
	ck_assert_uint_ge(datagrams, 20);
}
END_TEST

/* 1400 bytes become 1456, and seal_room() is the inverse of that at every size. */
START_TEST(room_is_exact)
{
	ck_assert_uint_eq(seal_room(seal, 1456), 1407);
	ck_assert_uint_eq(seal_room(seal, 63), 0);
	for (size_t datagram = 64; datagram < 1600; datagram++) {
		uint8_t buf[DATAGRAM_MAX] = { 0 }, rnd[16] = { 0 };
		size_t room = seal_room(seal, datagram);

		ck_assert_int_le(seal_protect(seal, 0, NULL, 0, buf, room, rnd), (int)datagram);
		ck_assert_int_gt(seal_protect(seal, 0, NULL, 0, buf, room + 1, rnd), (int)datagram);
	}
}
END_TEST

START_TEST(short_input)
{
	uint8_t buf[64] = { 0 }, *plain;

	for (size_t len = 0; len < 64; len++)
		ck_assert_int_eq(seal_open(seal, 0, NULL, 0, buf, len, &plain), KCPSHIM_E_SHORT);
	ck_assert_int_eq(seal_open(seal, 0, NULL, 0, buf, 64, &plain), KCPSHIM_E_AUTH);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("seal_aiokcp");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, derivation);
	tcase_add_test(tc, samples);
	tcase_add_test(tc, recorded_sessions);
	tcase_add_test(tc, room_is_exact);
	tcase_add_test(tc, short_input);
	return check_main("seal_aiokcp", tc);
}
