/* keys: the pre-shared keys of a server or client, by name and by the key id that an INIT carries.
 *
 * A key file holds one key a line, "NAME KEY"; blank lines and lines that start with # are skipped. NAME is 1 to 31 of
 * [A-Za-z0-9._@-]. KEY is 32 bytes as 64 hexadecimal digits or as 43/44 characters of base64, or "pbkdf2:PASSPHRASE" to the end
 * of the line. A file whose only key line is KEY alone is also valid; its name is "default".
 */
#ifndef KCPSHIM_KEYS_H
#define KCPSHIM_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mem;
struct kcpshim_plugin;
struct session_keys;

#define KEYS_PSK_LEN 32u
#define KEYS_ID_LEN 16u
#define KEYS_NAME_LEN 32u            /* with NUL */
#define KEYS_COUNT_MAX 1024u
#define KEYS_FILE_MAX 262144u        /* bytes of a key file */
#define KEYS_PASSPHRASE_ITERATIONS 600000u
#define KEYS_PASSPHRASE_SALT "kcpshim passphrase"
#define KEYS_PASSPHRASES_MAX 16u     /* per file: each costs a large part of a second */
#define KEYS_LINE_LEN 96u            /* what keys_generate() writes at most, with NUL */

struct key {
	char name[KEYS_NAME_LEN];
	uint8_t psk[KEYS_PSK_LEN];
	uint8_t id[KEYS_ID_LEN];     /* first 16 bytes of HMAC-SHA256(psk, "kcpshim key id"), never all zero */
};

/* An empty set: sessions with it are encrypted but unauthenticated. NULL without memory. */
struct session_keys *session_keys_new(struct mem *);
/* Wipes every key. NULL is ignored. */
void session_keys_free(struct session_keys *);

/* Replaces the pre-shared keys by those of a key file's text; on error the set stays as it was, so that rotation without
 * restart never loses keys. `name` is used in messages. Lines "pbkdf2:" make this slow (KEYS_PASSPHRASE_ITERATIONS each).
 * KCPSHIM_E_FORMAT: a line is wrong, a name or key occurs twice, or there is no key; _RANGE: too large; _NOMEM.
 * err[0..errlen) then holds "NAME:LINE: what is wrong", and never any part of a key. */
int session_keys_load(struct session_keys *, const char *name, const char *text, size_t len, char *err, size_t errlen);
/* Checks a text as session_keys_load() does, but derives nothing from passphrases. Needs no memory. */
int session_keys_check(const char *name, const char *text, size_t len, char *err, size_t errlen);
/* KCPSHIM_KEY: 64 hexadecimal digits or base64 of 32 bytes are the key; anything else is taken as a passphrase. Name "default". */
int session_keys_load_secret(struct session_keys *, const uint8_t *secret, size_t len);

/* How many pre-shared keys there are; NULL counts as an empty set. */
size_t session_keys_count(const struct session_keys *);
/* The key a client uses: the first of the file. NULL: none. Valid until the next load. */
const struct key *session_keys_first(const struct session_keys *);
/* The key with that id, or NULL. Looks at every entry, whichever matches. Valid until the next load. */
const struct key *session_keys_find(const struct session_keys *, const uint8_t id[KEYS_ID_LEN]);

/* What a server with this set makes RESETs from (kcpshim-wire(7), Reset secret), 32 bytes that follow from the keys alone. Not
 * to be asked of an empty set. Valid until the next load. */
const uint8_t *session_keys_reset_secret(const struct session_keys *);

/* Names a key and computes its id. */
void key_init(struct key *, const char *name, const uint8_t psk[KEYS_PSK_LEN]);
/* The psk of a passphrase: PBKDF2-HMAC-SHA256(passphrase, KEYS_PASSPHRASE_SALT, KEYS_PASSPHRASE_ITERATIONS). Slow. */
void key_from_passphrase(uint8_t psk[KEYS_PSK_LEN], const char *passphrase, size_t len);
/* Writes a key line "NAME BASE64\n" for kcpctl genkey from 32 random bytes. KCPSHIM_E_FORMAT: bad name. */
int keys_generate(char out[KEYS_LINE_LEN], const char *name, const uint8_t random[KEYS_PSK_LEN]);

/* --- other ciphers that a rule may ask for --- */

/* aiokcp: the result of seal_aiokcp_derive(), copied. */
void session_keys_set_aiokcp(struct session_keys *, const uint8_t key[64]);
/* NULL: not set. */
const uint8_t *session_keys_aiokcp(const struct session_keys *);
/* A plugin that passed seal_plugin_check() and outlives the set, and the bytes it makes its contexts from (copied; each at
 * most 256, longer: KCPSHIM_E_RANGE). */
int session_keys_set_plugin(struct session_keys *, const struct kcpshim_plugin *,
    const uint8_t *key, size_t key_len, const uint8_t *salt, size_t salt_len);
/* NULL: not set. The pointers stay valid until the set changes. */
const struct kcpshim_plugin *session_keys_plugin(const struct session_keys *,
    const uint8_t **key, size_t *key_len, const uint8_t **salt, size_t *salt_len);

#endif
