#include "keys.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <nettle/base64.h>
#include <nettle/hmac.h>
#include <nettle/pbkdf2.h>

#include "error.h"
#include "keyfile.h"
#include "mem.h"
#include "reset_token.h"
#include "traffic.h"

#define SECRET_MAX 256u
#define AIOKCP_LEN 64u

struct session_keys {
	struct mem *mem;
	struct key *key;      /* of length count, or NULL */
	size_t count;
	uint8_t reset_secret[RESET_SECRET_LEN];
	bool has_aiokcp;
	uint8_t aiokcp[AIOKCP_LEN];
	const struct kcpshim_plugin *plugin;
	uint8_t plugin_key[SECRET_MAX], plugin_salt[SECRET_MAX];
	size_t plugin_key_len, plugin_salt_len;
};

static void
keys_wipe(struct mem *mem, struct key *key, size_t count)
{
	if (key == NULL)
		return;
	traffic_wipe(key, count * sizeof *key);
	mem_free(mem, key, count * sizeof *key);
}

/* The XOR of a hash of every key: independent of their order, and unknown to who lacks one. */
static void
make_reset_secret(struct session_keys *keys)
{
	static const char label[] = "kcpshim reset secret";
	struct hmac_sha256_ctx hmac;
	uint8_t mac[RESET_SECRET_LEN];

	memset(keys->reset_secret, 0, sizeof keys->reset_secret);
	for (size_t i = 0; i < keys->count; i++) {
		hmac_sha256_set_key(&hmac, KEYS_PSK_LEN, keys->key[i].psk);
		hmac_sha256_update(&hmac, sizeof label - 1, (const uint8_t *)label);
		hmac_sha256_digest(&hmac, sizeof mac, mac);
		for (size_t j = 0; j < sizeof mac; j++)
			keys->reset_secret[j] ^= mac[j];
	}
	traffic_wipe(&hmac, sizeof hmac);
	traffic_wipe(mac, sizeof mac);
}

/* Takes over `key`. */
static void
replace_keys(struct session_keys *keys, struct key *key, size_t count)
{
	keys_wipe(keys->mem, keys->key, keys->count);
	keys->key = key;
	keys->count = count;
	make_reset_secret(keys);
}

struct session_keys *
session_keys_new(struct mem *mem)
{
	struct session_keys *keys = mem_alloc(mem, sizeof *keys);

	if (keys != NULL)
		keys->mem = mem;
	return keys;
}

void
session_keys_free(struct session_keys *keys)
{
	struct mem *mem;

	if (keys == NULL)
		return;
	mem = keys->mem;
	keys_wipe(mem, keys->key, keys->count);
	traffic_wipe(keys, sizeof *keys);
	mem_free(mem, keys, sizeof *keys);
}

void
key_init(struct key *key, const char *name, const uint8_t psk[KEYS_PSK_LEN])
{
	static const char label[] = "kcpshim key id";
	struct hmac_sha256_ctx hmac;

	snprintf(key->name, sizeof key->name, "%s", name);
	memmove(key->psk, psk, KEYS_PSK_LEN);
	hmac_sha256_set_key(&hmac, KEYS_PSK_LEN, psk);
	hmac_sha256_update(&hmac, sizeof label - 1, (const uint8_t *)label);
	hmac_sha256_digest(&hmac, KEYS_ID_LEN, key->id);
	traffic_wipe(&hmac, sizeof hmac);
}

void
key_from_passphrase(uint8_t psk[KEYS_PSK_LEN], const char *passphrase, size_t len)
{
	pbkdf2_hmac_sha256(len, (const uint8_t *)passphrase, KEYS_PASSPHRASE_ITERATIONS, sizeof KEYS_PASSPHRASE_SALT - 1,
	    (const uint8_t *)KEYS_PASSPHRASE_SALT, KEYS_PSK_LEN, psk);
}

/* Reads line after line into key[0..count). `count` is what keyfile_check() found. */
static int
fill(struct key *key, size_t count, const char *name, const char *text, size_t len, char *err, size_t errlen)
{
	struct keyfile file;
	struct keyfile_line line;
	uint8_t psk[KEYS_PSK_LEN];
	int ret = 0;

	keyfile_init(&file, text, len);
	for (size_t i = 0; i < count && ret == 0 && keyfile_next(&file, &line) > 0; i++) {
		if (line.passphrase != NULL)
			key_from_passphrase(psk, line.passphrase, line.passphrase_len);
		else
			memcpy(psk, line.psk, sizeof psk);
		key_init(&key[i], line.name, psk);
		for (size_t j = 0; j < i && ret == 0; j++) {
			if (memcmp(key[j].id, key[i].id, KEYS_ID_LEN) == 0) {
				snprintf(err, errlen, "%s:%u: the same key as %s", name, line.number, key[j].name);
				ret = KCPSHIM_E_FORMAT;
			}
		}
	}
	traffic_wipe(psk, sizeof psk);
	traffic_wipe(&line, sizeof line);
	return ret;
}

int
session_keys_load(struct session_keys *keys, const char *name, const char *text, size_t len, char *err, size_t errlen)
{
	struct key *key;
	int count = keyfile_check(name, text, len, err, errlen), ret;

	if (count < 0)
		return count;
	key = mem_alloc(keys->mem, (size_t)count * sizeof *key);
	if (key == NULL) {
		snprintf(err, errlen, "%s: no memory for %d keys", name, count);
		return KCPSHIM_E_NOMEM;
	}
	ret = fill(key, (size_t)count, name, text, len, err, errlen);
	if (ret < 0) {
		keys_wipe(keys->mem, key, (size_t)count);
		return ret;
	}
	replace_keys(keys, key, (size_t)count);
	return 0;
}

int
session_keys_check(const char *name, const char *text, size_t len, char *err, size_t errlen)
{
	int count = keyfile_check(name, text, len, err, errlen);

	return count < 0 ? count : 0;
}

int
session_keys_load_secret(struct session_keys *keys, const uint8_t *secret, size_t len)
{
	uint8_t psk[KEYS_PSK_LEN];
	struct key *key;

	if (len == 0)
		return KCPSHIM_E_FORMAT;
	key = mem_alloc(keys->mem, sizeof *key);
	if (key == NULL)
		return KCPSHIM_E_NOMEM;
	if (!keyfile_decode(psk, (const char *)secret, len))
		key_from_passphrase(psk, (const char *)secret, len);
	key_init(key, KEYFILE_DEFAULT_NAME, psk);
	traffic_wipe(psk, sizeof psk);
	replace_keys(keys, key, 1);
	return 0;
}

size_t
session_keys_count(const struct session_keys *keys)
{
	return keys == NULL ? 0 : keys->count;
}

const uint8_t *
session_keys_reset_secret(const struct session_keys *keys)
{
	return keys->reset_secret;
}

const struct key *
session_keys_first(const struct session_keys *keys)
{
	return session_keys_count(keys) == 0 ? NULL : &keys->key[0];
}

const struct key *
session_keys_find(const struct session_keys *keys, const uint8_t id[KEYS_ID_LEN])
{
	uint64_t want[2], have[2];
	size_t found = 0;

	memcpy(want, id, sizeof want);
	for (size_t i = 0; i < session_keys_count(keys); i++) {
		memcpy(have, keys->key[i].id, sizeof have);
		uint64_t differ = (have[0] ^ want[0]) | (have[1] ^ want[1]);
		/* All ones when they are equal, without a branch. */
		uint64_t equal = ((differ | (0 - differ)) >> 63) - 1;
		found |= (i + 1) & (size_t)equal;
	}
	return found == 0 ? NULL : &keys->key[found - 1];
}

int
keys_generate(char out[KEYS_LINE_LEN], const char *name, const uint8_t random[KEYS_PSK_LEN])
{
	char text[BASE64_ENCODE_RAW_LENGTH(KEYS_PSK_LEN) + 1] = "";

	if (!keyfile_name_valid(name, strlen(name)))
		return KCPSHIM_E_FORMAT;
	base64_encode_raw(text, KEYS_PSK_LEN, random);
	snprintf(out, KEYS_LINE_LEN, "%s %s\n", name, text);
	traffic_wipe(text, sizeof text);
	return 0;
}

void
session_keys_set_aiokcp(struct session_keys *keys, const uint8_t key[64])
{
	memcpy(keys->aiokcp, key, AIOKCP_LEN);
	keys->has_aiokcp = true;
}

const uint8_t *
session_keys_aiokcp(const struct session_keys *keys)
{
	return keys != NULL && keys->has_aiokcp ? keys->aiokcp : NULL;
}

int
session_keys_set_plugin(struct session_keys *keys, const struct kcpshim_plugin *plugin,
    const uint8_t *key, size_t key_len, const uint8_t *salt, size_t salt_len)
{
	if (key_len > SECRET_MAX || salt_len > SECRET_MAX)
		return KCPSHIM_E_RANGE;
	keys->plugin = plugin;
	if (key_len > 0)
		memcpy(keys->plugin_key, key, key_len);
	if (salt_len > 0)
		memcpy(keys->plugin_salt, salt, salt_len);
	keys->plugin_key_len = key_len;
	keys->plugin_salt_len = salt_len;
	return 0;
}

const struct kcpshim_plugin *
session_keys_plugin(const struct session_keys *keys,
    const uint8_t **key, size_t *key_len, const uint8_t **salt, size_t *salt_len)
{
	if (keys == NULL || keys->plugin == NULL)
		return NULL;
	*key = keys->plugin_key;
	*key_len = keys->plugin_key_len;
	*salt = keys->plugin_salt;
	*salt_len = keys->plugin_salt_len;
	return keys->plugin;
}
