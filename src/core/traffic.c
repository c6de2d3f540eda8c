#include "traffic.h"

#include <string.h>

#include <nettle/hkdf.h>
#include <nettle/hmac.h>

void
traffic_wipe(void *p, size_t len)
{
	explicit_bzero(p, len);
}

void
traffic_expand(const uint8_t secret[TRAFFIC_SECRET_LEN], const void *label, size_t label_len, uint8_t *out, size_t len)
{
	struct hmac_sha256_ctx hmac;

	hmac_sha256_set_key(&hmac, TRAFFIC_SECRET_LEN, secret);
	hkdf_expand(&hmac, (nettle_hash_update_func *)hmac_sha256_update, (nettle_hash_digest_func *)hmac_sha256_digest,
	    SHA256_DIGEST_SIZE, label_len, label, len, out);
	traffic_wipe(&hmac, sizeof hmac);
}

/* The suite is part of the label, so that no two algorithms ever share a key. */
static void
expand_keys(struct traffic_keys *keys)
{
	char key_label[] = "kcpshim key ?", iv_label[] = "kcpshim iv ?";

	key_label[sizeof key_label - 2] = (char)keys->suite;
	iv_label[sizeof iv_label - 2] = (char)keys->suite;
	traffic_expand(keys->secret, key_label, sizeof key_label - 1, keys->key, sizeof keys->key);
	traffic_expand(keys->secret, iv_label, sizeof iv_label - 1, keys->iv, sizeof keys->iv);
}

void
traffic_derive(struct traffic_keys *keys, enum seal_suite suite, const uint8_t secret[TRAFFIC_SECRET_LEN])
{
	memcpy(keys->secret, secret, sizeof keys->secret);
	keys->suite = (uint8_t)suite;
	expand_keys(keys);
}

void
traffic_renew(struct traffic_keys *keys)
{
	static const char label[] = "kcpshim rekey";
	uint8_t next[TRAFFIC_SECRET_LEN];

	traffic_expand(keys->secret, label, sizeof label - 1, next, sizeof next);
	memcpy(keys->secret, next, sizeof next);
	traffic_wipe(next, sizeof next);
	expand_keys(keys);
}
