#include "seal_aiokcp.h"

#include <string.h>

#include <nettle/aes.h>
#include <nettle/cbc.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <nettle/pbkdf2.h>

#include "error.h"
#include "mem.h"
#include "seal_impl.h"

#define IV_LEN 16u
#define BLOCK 16u
#define MAC_LEN 32u
#define TOKEN_MIN (IV_LEN + BLOCK + MAC_LEN)

struct seal_aiokcp {
	struct seal seal;
	struct hmac_sha256_ctx hmac;
	struct aes256_ctx encrypt;
	struct aes256_ctx decrypt;
};

void
seal_aiokcp_derive(uint8_t out[SEAL_AIOKCP_KEY_LEN], const uint8_t *key, size_t key_len, const uint8_t *salt, size_t salt_len)
{
	pbkdf2_hmac_sha256(key_len, key, SEAL_AIOKCP_ITERATIONS, salt_len, salt, SEAL_AIOKCP_KEY_LEN, out);
}

/* iv, at least one byte of padding up to a whole block, mac. */
static size_t
aiokcp_room(const struct seal *seal, size_t datagram)
{
	if (datagram < TOKEN_MIN)
		return 0;
	return (datagram - IV_LEN - MAC_LEN) / BLOCK * BLOCK - 1;
}

static void
aiokcp_mac(struct seal_aiokcp *s, const uint8_t *token, size_t len, uint8_t mac[MAC_LEN])
{
	hmac_sha256_update(&s->hmac, len, token);
	hmac_sha256_digest(&s->hmac, MAC_LEN, mac);
}

static int
aiokcp_protect(struct seal *seal, uint64_t pn, const uint8_t *aad, size_t aad_len,
    uint8_t *buf, size_t len, const uint8_t rnd[16])
{
	struct seal_aiokcp *s = (struct seal_aiokcp *)seal;
	size_t pad = BLOCK - len % BLOCK;
	uint8_t iv[IV_LEN];

	memcpy(buf, rnd, IV_LEN);
	memcpy(iv, rnd, IV_LEN);
	memset(buf + IV_LEN + len, (int)pad, pad);
	cbc_aes256_encrypt(&s->encrypt, iv, len + pad, buf + IV_LEN, buf + IV_LEN);
	aiokcp_mac(s, buf, IV_LEN + len + pad, buf + IV_LEN + len + pad);
	return (int)(IV_LEN + len + pad + MAC_LEN);
}

/* Bytes of padding at the end of `len` decrypted bytes, or 0 when it is not PKCS#7. The text was authenticated before, so
 * there is nothing to learn from how long this takes. */
static size_t
padding(const uint8_t *text, size_t len)
{
	size_t pad = text[len - 1];

	if (pad == 0 || pad > BLOCK)
		return 0;
	for (size_t i = 0; i < pad; i++) {
		if (text[len - 1 - i] != pad)
			return 0;
	}
	return pad;
}

static int
aiokcp_open(struct seal *seal, uint64_t pn, const uint8_t *aad, size_t aad_len, uint8_t *buf, size_t len, uint8_t **plain)
{
	struct seal_aiokcp *s = (struct seal_aiokcp *)seal;
	uint8_t iv[IV_LEN], mac[MAC_LEN];
	size_t text, pad;

	if (len < TOKEN_MIN)
		return KCPSHIM_E_SHORT;
	aiokcp_mac(s, buf, len - MAC_LEN, mac);
	if (!memeql_sec(mac, buf + len - MAC_LEN, MAC_LEN))
		return KCPSHIM_E_AUTH;
	text = len - IV_LEN - MAC_LEN;
	if (text % BLOCK != 0)
		return KCPSHIM_E_AUTH;
	memcpy(iv, buf, IV_LEN);
	cbc_decrypt(&s->decrypt, (nettle_cipher_func *)aes256_decrypt, BLOCK, iv, text, buf + IV_LEN, buf + IV_LEN);
	pad = padding(buf + IV_LEN, text);
	if (pad == 0)
		return KCPSHIM_E_AUTH;
	*plain = buf + IV_LEN;
	return (int)(text - pad);
}

static const struct seal_ops aiokcp_ops = { aiokcp_room, aiokcp_protect, aiokcp_open, NULL };

struct seal *
seal_aiokcp_new(struct mem *mem, const uint8_t key[SEAL_AIOKCP_KEY_LEN])
{
	struct seal_aiokcp *s = mem_alloc(mem, sizeof *s);

	if (s == NULL)
		return NULL;
	s->seal = (struct seal){ .ops = &aiokcp_ops, .size = sizeof *s, .head = IV_LEN, .tail = BLOCK + MAC_LEN,
		.suite = SEAL_AIOKCP };
	hmac_sha256_set_key(&s->hmac, 32, key);
	aes256_set_encrypt_key(&s->encrypt, key + 32);
	aes256_invert_key(&s->decrypt, &s->encrypt);
	return &s->seal;
}
