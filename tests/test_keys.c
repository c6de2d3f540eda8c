#include <stdio.h>
#include <string.h>

#include "checkmain.h"
#include "core/error.h"
#include "core/keys.h"
#include "core/mem.h"
#include "json.h"

#define HEX1 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define BASE1 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define HEX2 "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define NAME31 "a234567890123456789012345678901"

static struct mem *mem;
static struct session_keys *keys;
static char err[256];

static void
setup(void)
{
	mem = mem_new(0);
	keys = session_keys_new(mem);
	ck_assert_ptr_nonnull(keys);
	err[0] = '\0';
}

static void
teardown(void)
{
	session_keys_free(keys);
	ck_assert_uint_eq(mem_used(mem), 0);
	mem_destroy(mem);
}

static const struct {
	const char *text;
	int ret;
	size_t count;
	const char *first;   /* its name, or the message */
} files[] = {
	{ HEX1, 0, 1, "default" },
	{ BASE1 "\n", 0, 1, "default" },
	{ "alice " HEX1 "\n", 0, 1, "alice" },
	{ "# comment\n\n  alice\t " BASE1 " \r\n#x y\nbob " HEX2, 0, 2, "alice" },
	{ "a AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n", 0, 1, "a" },
	{ NAME31 " " HEX1 "\n", 0, 1, NAME31 },
	{ NAME31 "2 " HEX1 "\n", KCPSHIM_E_FORMAT, 0, "f:1: the name is not 1 to 31 of A-Z a-z 0-9 . _ @ -" },
	{ "a/b " HEX1 "\n", KCPSHIM_E_FORMAT, 0, "f:1: the name is not 1 to 31 of A-Z a-z 0-9 . _ @ -" },
	{ "", KCPSHIM_E_FORMAT, 0, "f: no key in it" },
	{ "# only\n\n", KCPSHIM_E_FORMAT, 0, "f: no key in it" },
	{ "\nalice 0011\n", KCPSHIM_E_FORMAT, 0, "f:2: not a key: 32 bytes in hexadecimal or base64, or pbkdf2:PASSPHRASE, are expected" },
	{ "alice " HEX1 "00\n", KCPSHIM_E_FORMAT, 0,
	    "f:1: not a key: 32 bytes in hexadecimal or base64, or pbkdf2:PASSPHRASE, are expected" },
	{ "alice " HEX1 " x\n", KCPSHIM_E_FORMAT, 0,
	    "f:1: not a key: 32 bytes in hexadecimal or base64, or pbkdf2:PASSPHRASE, are expected" },
	{ "alice g" HEX1 "\n", KCPSHIM_E_FORMAT, 0,
	    "f:1: not a key: 32 bytes in hexadecimal or base64, or pbkdf2:PASSPHRASE, are expected" },
	{ "alice pbkdf2:\n", KCPSHIM_E_FORMAT, 0, "f:1: the passphrase is empty" },
	{ HEX1 "\n" HEX2 "\n", KCPSHIM_E_FORMAT, 0, "f:2: a key without a name has to be the only one" },
	{ "a " HEX1 "\n" HEX2 "\n", KCPSHIM_E_FORMAT, 0, "f:2: a key without a name has to be the only one" },
	{ HEX1 "\na " HEX2 "\n", KCPSHIM_E_FORMAT, 0, "f:2: a key without a name has to be the only one" },
	{ "a " HEX1 "\nb " HEX2 "\na pbkdf2:x\n", KCPSHIM_E_FORMAT, 0, "f:3: the name is taken by a line above" },
	{ "a " HEX1 "\nb " BASE1 "\n", KCPSHIM_E_FORMAT, 0, "f:2: the same key as a" },
};

START_TEST(key_files)
{
	int ret = session_keys_load(keys, "f", files[_i].text, strlen(files[_i].text), err, sizeof err);

	ck_assert_msg(ret == files[_i].ret, "%d %s", ret, err);
	ck_assert_uint_eq(session_keys_count(keys), files[_i].count);
	if (ret < 0)
		ck_assert_str_eq(err, files[_i].first);
	else
		ck_assert_str_eq(session_keys_first(keys)->name, files[_i].first);
}
END_TEST

START_TEST(nul_and_size)
{
	static char big[KEYS_FILE_MAX + 1];
	char nul[] = "alice " HEX1;

	nul[3] = '\0';
	ck_assert_int_eq(session_keys_load(keys, "f", nul, sizeof nul - 1, err, sizeof err), KCPSHIM_E_FORMAT);
	ck_assert_str_eq(err, "f:1: the line holds a NUL byte");
	memset(big, '\n', sizeof big);
	ck_assert_int_eq(session_keys_load(keys, "f", big, sizeof big, err, sizeof err), KCPSHIM_E_RANGE);
	ck_assert_int_eq(session_keys_load(keys, "f", big, sizeof big - 1, err, sizeof err), KCPSHIM_E_FORMAT);
}
END_TEST

START_TEST(hex_and_base64_are_the_same_key)
{
	uint8_t want[32];

	hex_decode(HEX1, want, sizeof want);
	ck_assert_int_eq(session_keys_load(keys, "f", BASE1, strlen(BASE1), err, sizeof err), 0);
	ck_assert_mem_eq(session_keys_first(keys)->psk, want, sizeof want);
	ck_assert_int_eq(session_keys_load(keys, "f", HEX1, strlen(HEX1), err, sizeof err), 0);
	ck_assert_mem_eq(session_keys_first(keys)->psk, want, sizeof want);
}
END_TEST

START_TEST(many_keys_found_by_id)
{
	static char text[KEYS_FILE_MAX];
	size_t len = 0;
	uint8_t id[KEYS_ID_LEN];
	struct key one;

	for (unsigned i = 0; i < KEYS_COUNT_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof text - len, "key%u %064x\n", i, i + 1);
	ck_assert_int_eq(session_keys_load(keys, "f", text, len, err, sizeof err), 0);
	ck_assert_uint_eq(session_keys_count(keys), KEYS_COUNT_MAX);
	for (unsigned i = 0; i < KEYS_COUNT_MAX; i++) {
		uint8_t psk[32] = { 0 };
		char name[KEYS_NAME_LEN];
		const struct key *found;

		snprintf(name, sizeof name, "key%u", i);
		psk[31] = (uint8_t)(i + 1);
		psk[30] = (uint8_t)((i + 1) >> 8);
		key_init(&one, name, psk);
		found = session_keys_find(keys, one.id);
		ck_assert_ptr_nonnull(found);
		ck_assert_str_eq(found->name, name);
		memcpy(id, one.id, sizeof id);
		id[i % KEYS_ID_LEN] ^= 1;
		ck_assert_ptr_null(session_keys_find(keys, id));
	}
	len += (size_t)snprintf(text + len, sizeof text - len, "more %064x\n", KEYS_COUNT_MAX + 1);
	ck_assert_int_eq(session_keys_load(keys, "f", text, len, err, sizeof err), KCPSHIM_E_FORMAT);
	ck_assert_str_eq(err, "f:1025: too many keys");
	ck_assert_uint_eq(session_keys_count(keys), KEYS_COUNT_MAX);
}
END_TEST

/* A file that is wrong in any way leaves the keys in force. */
START_TEST(rotation_never_loses_keys)
{
	static const char good[] = "a " HEX1, next[] = "b " HEX2, bad[] = "b " HEX2 "\nc nonsense";
	struct key old;

	ck_assert_int_eq(session_keys_load(keys, "f", good, strlen(good), err, sizeof err), 0);
	old = *session_keys_first(keys);
	ck_assert_int_eq(session_keys_load(keys, "f", bad, strlen(bad), err, sizeof err), KCPSHIM_E_FORMAT);
	ck_assert_ptr_nonnull(session_keys_find(keys, old.id));
	ck_assert_int_eq(session_keys_load(keys, "f", next, strlen(next), err, sizeof err), 0);
	ck_assert_ptr_null(session_keys_find(keys, old.id));
	ck_assert_str_eq(session_keys_first(keys)->name, "b");
}
END_TEST

/* Expected value computed with another implementation of PBKDF2 (Python's hashlib). */
START_TEST(passphrases)
{
	static const char file[] = "alice pbkdf2:correct horse battery staple  \n";
	uint8_t want[32];
	struct key key;

	hex_decode("d215af29d1625b5b85fb8f3ad3f3a9549dea1bf6416c229f4a4dce360fdb074b", want, sizeof want);
	ck_assert_int_eq(session_keys_check("f", file, strlen(file), err, sizeof err), 0);
	ck_assert_int_eq(session_keys_load(keys, "f", file, strlen(file), err, sizeof err), 0);
	ck_assert_mem_eq(session_keys_first(keys)->psk, want, sizeof want);
	key_init(&key, "x", want);
	ck_assert_ptr_nonnull(session_keys_find(keys, key.id));
	ck_assert_int_eq(session_keys_load_secret(keys, (const uint8_t *)"correct horse battery staple", 28), 0);
	ck_assert_mem_eq(session_keys_first(keys)->psk, want, sizeof want);
	hex_decode(HEX1, want, sizeof want);
	ck_assert_int_eq(session_keys_load_secret(keys, (const uint8_t *)HEX1, 64), 0);
	ck_assert_mem_eq(session_keys_first(keys)->psk, want, sizeof want);
	ck_assert_int_eq(session_keys_load_secret(keys, (const uint8_t *)"", 0), KCPSHIM_E_FORMAT);
}
END_TEST

START_TEST(passphrases_are_capped)
{
	char text[1024];
	size_t len = 0;

	for (unsigned i = 0; i <= KEYS_PASSPHRASES_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof text - len, "k%u pbkdf2:p%u\n", i, i);
	ck_assert_int_eq(session_keys_check("f", text, len, err, sizeof err), KCPSHIM_E_FORMAT);
	ck_assert_str_eq(err, "f:17: too many passphrases");
}
END_TEST

START_TEST(generated_line_is_read_back)
{
	uint8_t random[KEYS_PSK_LEN];
	char line[KEYS_LINE_LEN];

	memset(random, 0xfb, sizeof random);
	ck_assert_int_eq(keys_generate(line, NAME31, random), 0);
	ck_assert_int_eq(session_keys_load(keys, "f", line, strlen(line), err, sizeof err), 0);
	ck_assert_mem_eq(session_keys_first(keys)->psk, random, sizeof random);
	ck_assert_str_eq(session_keys_first(keys)->name, NAME31);
	ck_assert_int_eq(keys_generate(line, "", random), KCPSHIM_E_FORMAT);
	ck_assert_int_eq(keys_generate(line, "a b", random), KCPSHIM_E_FORMAT);
}
END_TEST

START_TEST(other_ciphers)
{
	uint8_t aiokcp[64], long_key[257] = { 0 };
	const uint8_t *key, *salt;
	size_t key_len, salt_len;

	memset(aiokcp, 3, sizeof aiokcp);
	ck_assert_ptr_null(session_keys_aiokcp(NULL));
	ck_assert_ptr_null(session_keys_aiokcp(keys));
	session_keys_set_aiokcp(keys, aiokcp);
	ck_assert_mem_eq(session_keys_aiokcp(keys), aiokcp, sizeof aiokcp);
	ck_assert_ptr_null(session_keys_plugin(keys, &key, &key_len, &salt, &salt_len));
	/* Any address does: the set only keeps it. */
	ck_assert_int_eq(session_keys_set_plugin(keys, (const struct kcpshim_plugin *)keys, long_key, 257, NULL, 0), KCPSHIM_E_RANGE);
	ck_assert_int_eq(session_keys_set_plugin(keys, (const struct kcpshim_plugin *)keys, (const uint8_t *)"key", 3,
	    (const uint8_t *)"salt", 4), 0);
	ck_assert_ptr_eq(session_keys_plugin(keys, &key, &key_len, &salt, &salt_len), (const struct kcpshim_plugin *)keys);
	ck_assert_uint_eq(key_len, 3);
	ck_assert_mem_eq(salt, "salt", salt_len);
}
END_TEST

START_TEST(empty_sets)
{
	uint8_t id[KEYS_ID_LEN] = { 0 };

	ck_assert_uint_eq(session_keys_count(NULL), 0);
	ck_assert_ptr_null(session_keys_first(NULL));
	ck_assert_ptr_null(session_keys_find(NULL, id));
	ck_assert_ptr_null(session_keys_find(keys, id));
	session_keys_free(NULL);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("keys");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, key_files, 0, (int)(sizeof files / sizeof files[0]));
	tcase_add_test(tc, nul_and_size);
	tcase_add_test(tc, hex_and_base64_are_the_same_key);
	tcase_add_test(tc, many_keys_found_by_id);
	tcase_add_test(tc, rotation_never_loses_keys);
	tcase_add_test(tc, passphrases);
	tcase_add_test(tc, passphrases_are_capped);
	tcase_add_test(tc, generated_line_is_read_back);
	tcase_add_test(tc, other_ciphers);
	tcase_add_test(tc, empty_sets);
	return check_main("keys", tc);
}
