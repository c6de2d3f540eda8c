#include "reset_token.h"

#include <string.h>

#include <nettle/hmac.h>
#include <nettle/memops.h>

#include "bytes.h"
#include "traffic.h"

#define ID_BITS 20u               /* random ones of a connection id */
#define ID_MASK ((1u << ID_BITS) - 1)
#define TAG_BYTES 2u              /* that hold the 12 bits which follow from them */
#define ADDRESS_LEN 19u

static const char id_label[] = "kcpshim id";
static const char reset_label[] = "kcpshim reset";

static void
keyed_hash(const uint8_t secret[RESET_SECRET_LEN], const char *label, const uint8_t *data, size_t len, uint8_t *out, size_t out_len)
{
	struct hmac_sha256_ctx hmac;

	hmac_sha256_set_key(&hmac, RESET_SECRET_LEN, secret);
	hmac_sha256_update(&hmac, strlen(label), (const uint8_t *)label);
	hmac_sha256_update(&hmac, len, data);
	hmac_sha256_digest(&hmac, out_len, out);
	traffic_wipe(&hmac, sizeof hmac);
}

uint32_t
reset_token_cid(const uint8_t secret[RESET_SECRET_LEN], uint32_t random)
{
	uint32_t low = random & ID_MASK;
	uint8_t bits[3] = { (uint8_t)low, (uint8_t)(low >> 8), (uint8_t)(low >> 16) }, tag[TAG_BYTES];

	keyed_hash(secret, id_label, bits, sizeof bits, tag, sizeof tag);
	return low | (uint32_t)(tag[0] | (tag[1] & 15u) << 8) << ID_BITS;
}

bool
reset_token_knows(const uint8_t secret[RESET_SECRET_LEN], uint32_t cid)
{
	return ((reset_token_cid(secret, cid) ^ cid) & ~ID_MASK) == 0;
}

void
reset_token_make(const uint8_t secret[RESET_SECRET_LEN], const struct netaddr *local, uint32_t cid, struct reset_token *t)
{
	uint8_t data[ADDRESS_LEN + 4], mac[RESET_PARAM_LEN];

	data[0] = local->family;
	memcpy(data + 1, local->ip, 16);
	data[17] = (uint8_t)local->port;
	data[18] = (uint8_t)(local->port >> 8);
	bytes_put32(data + ADDRESS_LEN, cid);
	keyed_hash(secret, reset_label, data, sizeof data, mac, sizeof mac);
	reset_token_get(t, mac);
	traffic_wipe(mac, sizeof mac);
}

void
reset_token_put(const struct reset_token *t, uint8_t out[RESET_PARAM_LEN])
{
	bytes_put32(out, t->id);
	memcpy(out + RESET_ID_LEN, t->token, RESET_TOKEN_LEN);
}

void
reset_token_get(struct reset_token *t, const uint8_t in[RESET_PARAM_LEN])
{
	t->id = bytes_get32(in);
	memcpy(t->token, in + RESET_ID_LEN, RESET_TOKEN_LEN);
}

size_t
reset_token_answer_len(size_t len)
{
	if (len <= RESET_LEN_MIN)
		return 0;
	return len <= RESET_LEN_MAX ? len - 1 : RESET_LEN_MAX;
}

void
reset_token_answer(const struct reset_token *t, const uint8_t *data, size_t len, const uint8_t filler[RESET_LEN_MAX],
    uint8_t out[RESET_LEN_MAX])
{
	size_t n = reset_token_answer_len(len);

	bytes_put32(out, t->id);
	memcpy(out + RESET_ID_LEN, data + RESET_ID_LEN, RESET_HEADER_LEN - RESET_ID_LEN);
	memcpy(out + RESET_HEADER_LEN, filler, n - RESET_HEADER_LEN - RESET_TOKEN_LEN);
	memcpy(out + n - RESET_TOKEN_LEN, t->token, RESET_TOKEN_LEN);
}

bool
reset_token_matches(const struct reset_token *t, const uint8_t *d, size_t len)
{
	return len >= RESET_LEN_MIN && len <= RESET_LEN_MAX &&
	    memeql_sec(d + len - RESET_TOKEN_LEN, t->token, RESET_TOKEN_LEN) != 0;
}
