#include "handshake.h"

#include <string.h>

#include <nettle/chacha-poly1305.h>
#include <nettle/memops.h>

#include "bytes.h"
#include "error.h"

/* Offsets that both INIT and ACCEPT have, then those of each. */
#define AT_KIND 4
#define AT_VERSION 5
#define AT_RESERVED 6
#define AT_BODY 8
#define INIT_KEY_ID 8
#define INIT_COOKIE 24
#define INIT_EPHEMERAL 40
#define ACCEPT_CID 8
#define ACCEPT_EPHEMERAL 12
#define RETRY_NONCE 8
#define RETRY_SEALED 20

static const char prologue_label[] = "kcpshim 1";
static const char retry_label[] = "kcpshim retry";
static const uint8_t zero[32];

static void
put_header(uint8_t *d, uint32_t cid, uint8_t kind)
{
	bytes_put32(d, cid);
	d[AT_KIND] = kind;
	d[AT_VERSION] = HANDSHAKE_VERSION;
	d[AT_RESERVED] = d[AT_RESERVED + 1] = 0;
}

/* Kind, version and reserved bytes; `least`: the shortest datagram of that kind. */
static int
check_header(const uint8_t *d, size_t len, uint8_t kind, size_t least)
{
	if (len < AT_BODY)
		return KCPSHIM_E_SHORT;
	if (d[AT_KIND] != kind || d[AT_RESERVED] != 0 || d[AT_RESERVED + 1] != 0)
		return KCPSHIM_E_FORMAT;
	if (d[AT_VERSION] != HANDSHAKE_VERSION)
		return KCPSHIM_E_VERSION;
	return len < least ? KCPSHIM_E_SHORT : 0;
}

/* Bytes 0 to 23 of the INIT: connection id, kind, version, key id. The cookie stays out: it changes after a RETRY. */
static void
start_noise(struct noise *noise, const uint8_t *init)
{
	uint8_t prologue[sizeof prologue_label - 1 + INIT_COOKIE];

	memcpy(prologue, prologue_label, sizeof prologue_label - 1);
	memcpy(prologue + sizeof prologue_label - 1, init, INIT_COOKIE);
	noise_init(noise, prologue, sizeof prologue);
}

static bool
is_aead(uint8_t suite)
{
	return suite == SEAL_AES_256_GCM || suite == SEAL_CHACHA20_POLY1305;
}

bool
handshake_is_init(const uint8_t *d, size_t len)
{
	return check_header(d, len, HANDSHAKE_KIND_INIT, HANDSHAKE_INIT_LEN) == 0 && bytes_get32(d) != 0;
}

const uint8_t *
handshake_init_ephemeral(const uint8_t *d)
{
	return d + INIT_EPHEMERAL;
}

void
handshake_init_write(struct handshake *hs, uint32_t cid, const struct key *key, const uint8_t secret[32],
    const struct handshake_params *params)
{
	uint8_t plain[PARAMS_LEN];

	memset(hs, 0, sizeof *hs);
	hs->cid = cid;
	hs->authenticated = key != NULL;
	memcpy(hs->secret, secret, sizeof hs->secret);
	noise_public(hs->ephemeral, secret);
	put_header(hs->init, cid, HANDSHAKE_KIND_INIT);
	if (key != NULL) {
		memcpy(hs->init + INIT_KEY_ID, key->id, KEYS_ID_LEN);
		memcpy(hs->key_name, key->name, sizeof hs->key_name);
	}
	memcpy(hs->init + INIT_EPHEMERAL, hs->ephemeral, sizeof hs->ephemeral);
	start_noise(&hs->noise, hs->init);
	noise_first(&hs->noise, key != NULL ? key->psk : zero, hs->ephemeral);
	for (unsigned i = 0; i < params->nsuites && i < PARAMS_SUITES_MAX; i++) {
		if (is_aead(params->suites[i]))
			hs->offered |= 1u << params->suites[i];
	}
	params_write(params, plain);
	noise_seal(&hs->noise, hs->init + HANDSHAKE_INIT_HEADER, plain, sizeof plain);
}

/* The key that an INIT names: *psk is the zero key for an INIT that names none. A set with keys never serves those: that would
 * be a downgrade for the asking. */
static int
select_key(struct handshake *hs, const struct session_keys *keys, const uint8_t *id, const uint8_t **psk)
{
	const struct key *key;

	if (session_keys_count(keys) == 0) {
		if (memcmp(id, zero, KEYS_ID_LEN) != 0)
			return KCPSHIM_E_UNKNOWN;
		*psk = zero;
		return 0;
	}
	key = session_keys_find(keys, id);
	if (key == NULL)
		return KCPSHIM_E_UNKNOWN;
	memcpy(hs->key_name, key->name, sizeof hs->key_name);
	hs->authenticated = true;
	*psk = key->psk;
	return 0;
}

static int
open_init(struct handshake *hs, const struct session_keys *keys, const uint8_t *d, size_t len,
    struct handshake_params *params)
{
	uint8_t plain[PARAMS_MAX];
	const uint8_t *psk;
	size_t sealed = len - HANDSHAKE_INIT_HEADER;
	int ret = select_key(hs, keys, d + INIT_KEY_ID, &psk);

	if (ret < 0)
		return ret;
	hs->cid = bytes_get32(d);
	memcpy(hs->ephemeral, d + INIT_EPHEMERAL, sizeof hs->ephemeral);
	memcpy(hs->cookie, d + INIT_COOKIE, sizeof hs->cookie);
	start_noise(&hs->noise, d);
	noise_first(&hs->noise, psk, hs->ephemeral);
	ret = noise_open(&hs->noise, plain, d + HANDSHAKE_INIT_HEADER, sealed);
	if (ret < 0)
		return ret;
	ret = params_read(params, plain, sealed - NOISE_TAG_LEN);
	return ret < 0 ? KCPSHIM_E_FORMAT : 0;
}

int
handshake_init_read(struct handshake *hs, const struct session_keys *keys, const uint8_t *d, size_t len,
    struct handshake_params *params)
{
	int ret = check_header(d, len, HANDSHAKE_KIND_INIT, HANDSHAKE_INIT_LEN);

	if (ret < 0)
		return ret;
	if (bytes_get32(d) == 0 || len > HANDSHAKE_INIT_HEADER + PARAMS_MAX + NOISE_TAG_LEN)
		return KCPSHIM_E_FORMAT;
	memset(hs, 0, sizeof *hs);
	ret = open_init(hs, keys, d, len, params);
	if (ret < 0)
		handshake_wipe(hs);
	return ret;
}

/* Key, nonce and associated data of a RETRY. The key is known to both ends after the INIT and to nobody without the psk;
 * the transcript hash ties the RETRY to this very INIT. */
static void
retry_start(struct chacha_poly1305_ctx *c, const struct noise *noise, const uint8_t *d)
{
	uint8_t key[CHACHA_POLY1305_KEY_SIZE];

	noise_export(noise, retry_label, key, sizeof key);
	chacha_poly1305_set_key(c, key);
	chacha_poly1305_set_nonce(c, d + RETRY_NONCE);
	chacha_poly1305_update(c, NOISE_HASH_LEN, noise->h);
	traffic_wipe(key, sizeof key);
}

size_t
handshake_retry_write(const struct handshake *hs, const uint8_t cookie[COOKIE_LEN],
    const uint8_t nonce[HANDSHAKE_RETRY_NONCE], uint8_t out[HANDSHAKE_RETRY_LEN])
{
	struct chacha_poly1305_ctx c;

	put_header(out, hs->cid, HANDSHAKE_KIND_RETRY);
	memcpy(out + RETRY_NONCE, nonce, HANDSHAKE_RETRY_NONCE);
	retry_start(&c, &hs->noise, out);
	chacha_poly1305_encrypt(&c, COOKIE_LEN, out + RETRY_SEALED, cookie);
	chacha_poly1305_digest(&c, NOISE_TAG_LEN, out + RETRY_SEALED + COOKIE_LEN);
	traffic_wipe(&c, sizeof c);
	return HANDSHAKE_RETRY_LEN;
}

int
handshake_retry_read(struct handshake *hs, const uint8_t *d, size_t len)
{
	struct chacha_poly1305_ctx c;
	uint8_t cookie[COOKIE_LEN], tag[NOISE_TAG_LEN];
	int ret = check_header(d, len, HANDSHAKE_KIND_RETRY, HANDSHAKE_RETRY_LEN);

	if (ret < 0)
		return ret;
	if (len != HANDSHAKE_RETRY_LEN || bytes_get32(d) != hs->cid)
		return KCPSHIM_E_FORMAT;
	retry_start(&c, &hs->noise, d);
	chacha_poly1305_decrypt(&c, COOKIE_LEN, cookie, d + RETRY_SEALED);
	chacha_poly1305_digest(&c, NOISE_TAG_LEN, tag);
	traffic_wipe(&c, sizeof c);
	if (!memeql_sec(tag, d + RETRY_SEALED + COOKIE_LEN, NOISE_TAG_LEN))
		return KCPSHIM_E_AUTH;
	memcpy(hs->cookie, cookie, COOKIE_LEN);
	memcpy(hs->init + INIT_COOKIE, cookie, COOKIE_LEN);
	return 0;
}

static void
derive_keys(struct handshake *hs, struct noise *noise, uint8_t suite, bool server, struct handshake_keys *keys)
{
	uint8_t c2s[NOISE_KEY_LEN], s2c[NOISE_KEY_LEN];

	noise_split(noise, c2s, s2c);
	keys->suite = suite;
	keys->authenticated = hs->authenticated;
	traffic_derive(server ? &keys->rx : &keys->tx, suite, c2s);
	traffic_derive(server ? &keys->tx : &keys->rx, suite, s2c);
	traffic_wipe(c2s, sizeof c2s);
	traffic_wipe(s2c, sizeof s2c);
}

int
handshake_accept_write(struct handshake *hs, uint32_t cid, const uint8_t secret[32],
    const struct handshake_params *params, uint8_t out[HANDSHAKE_ACCEPT_LEN], struct handshake_keys *keys)
{
	struct handshake_params answer = *params;
	uint8_t plain[PARAMS_LEN];
	int ret;

	if (params->nsuites != 1 || !is_aead(params->suites[0]))
		return KCPSHIM_E_RANGE;
	answer.time = 0;
	answer.cid = cid;
	put_header(out, hs->cid, HANDSHAKE_KIND_ACCEPT);
	bytes_put32(out + ACCEPT_CID, cid);
	noise_public(out + ACCEPT_EPHEMERAL, secret);
	ret = noise_second(&hs->noise, secret, hs->ephemeral, out + ACCEPT_EPHEMERAL);
	if (ret == 0) {
		params_write(&answer, plain);
		noise_seal(&hs->noise, out + HANDSHAKE_ACCEPT_HEADER, plain, sizeof plain);
		derive_keys(hs, &hs->noise, params->suites[0], true, keys);
		ret = (int)HANDSHAKE_ACCEPT_LEN;
	}
	handshake_wipe(hs);
	return ret;
}

/* Whether the suite that an ACCEPT names is one and was offered. The INIT is ours, so its list cannot have been changed. */
static bool
suite_offered(const struct handshake *hs, const struct handshake_params *answer)
{
	return answer->nsuites == 1 && is_aead(answer->suites[0]) && (hs->offered & 1u << answer->suites[0]) != 0;
}

/* Opens an ACCEPT with a copy of the state. */
static int
open_accept(const struct handshake *hs, struct noise *noise, const uint8_t *d, size_t len, struct handshake_params *params)
{
	uint8_t plain[PARAMS_MAX];
	size_t sealed = len - HANDSHAKE_ACCEPT_HEADER;
	int ret = noise_second(noise, hs->secret, d + ACCEPT_EPHEMERAL, d + ACCEPT_EPHEMERAL);

	if (ret < 0)
		return ret;
	ret = noise_open(noise, plain, d + HANDSHAKE_ACCEPT_HEADER, sealed);
	if (ret < 0)
		return ret;
	if (params_read(params, plain, sealed - NOISE_TAG_LEN) < 0)
		return KCPSHIM_E_FORMAT;
	if (params->cid == 0 || params->cid != bytes_get32(d + ACCEPT_CID) || !suite_offered(hs, params))
		return KCPSHIM_E_AUTH;
	return 0;
}

int
handshake_accept_read(struct handshake *hs, const uint8_t *d, size_t len,
    struct handshake_params *params, struct handshake_keys *keys)
{
	struct noise noise = hs->noise;
	int ret = check_header(d, len, HANDSHAKE_KIND_ACCEPT, HANDSHAKE_ACCEPT_LEN);

	if (ret < 0)
		goto out;
	ret = KCPSHIM_E_FORMAT;
	if (bytes_get32(d) != hs->cid || len > HANDSHAKE_ACCEPT_HEADER + PARAMS_MAX + NOISE_TAG_LEN)
		goto out;
	ret = open_accept(hs, &noise, d, len, params);
	if (ret < 0)
		goto out;
	derive_keys(hs, &noise, params->suites[0], false, keys);
	handshake_wipe(hs);
out:
	traffic_wipe(&noise, sizeof noise);
	return ret;
}

void
handshake_wipe(struct handshake *hs)
{
	traffic_wipe(hs, sizeof *hs);
}

void
handshake_keys_wipe(struct handshake_keys *keys)
{
	traffic_wipe(keys, sizeof *keys);
}
