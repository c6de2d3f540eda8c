/* plugin_chacha: an example of crypto=plugin:, ChaCha20-Poly1305 with a random nonce, by means of nettle.
 *
 * A sealed datagram is nonce(12) || ciphertext || tag(16). The key is SHA-256 of KCPSHIM_KEY and KCPSHIM_SALT, so give it a
 * random one: nothing here slows the guessing of a passphrase down.
 *
 *	cc -O2 -fPIC -shared -o plugin_chacha.so plugin_chacha.c -lnettle
 *	KCPSHIM_WIRE=plain KCPSHIM_CRYPTO=plugin:/path/plugin_chacha.so KCPSHIM_KEY=... KCPSHIM_PORTS=8080 kcprun program
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nettle/chacha-poly1305.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>

#include <kcpshim-plugin.h>

#define NONCE CHACHA_POLY1305_NONCE_SIZE
#define TAG CHACHA_POLY1305_DIGEST_SIZE

static void *
chacha_new(const uint8_t *key, size_t key_len, const uint8_t *salt, size_t salt_len, char *err, size_t errlen)
{
	struct chacha_poly1305_ctx *c;
	struct sha256_ctx sha;
	uint8_t digest[SHA256_DIGEST_SIZE];

	if (key_len == 0) {
		snprintf(err, errlen, "chacha-example: a key is needed");
		return NULL;
	}
	c = malloc(sizeof *c);
	if (c == NULL)
		return NULL;
	sha256_init(&sha);
	sha256_update(&sha, key_len, key);
	sha256_update(&sha, salt_len, salt);
	sha256_digest(&sha, sizeof digest, digest);
	chacha_poly1305_set_key(c, digest);
	explicit_bzero(digest, sizeof digest);
	return c;
}

static void
chacha_free(void *context)
{
	explicit_bzero(context, sizeof(struct chacha_poly1305_ctx));
	free(context);
}

static int
chacha_encrypt(void *context, const uint8_t *in, size_t in_len, uint8_t *out, size_t out_cap, const uint8_t random[16])
{
	struct chacha_poly1305_ctx *c = context;

	if (out_cap < in_len + NONCE + TAG)
		return -1;
	memcpy(out, random, NONCE);
	chacha_poly1305_set_nonce(c, random);
	chacha_poly1305_encrypt(c, in_len, out + NONCE, in);
	chacha_poly1305_digest(c, TAG, out + NONCE + in_len);
	return (int)(NONCE + in_len + TAG);
}

static int
chacha_decrypt(void *context, const uint8_t *in, size_t in_len, uint8_t *out, size_t out_cap)
{
	struct chacha_poly1305_ctx *c = context;
	uint8_t tag[TAG];
	size_t len;

	if (in_len < NONCE + TAG)
		return -1;
	len = in_len - NONCE - TAG;
	chacha_poly1305_set_nonce(c, in);
	chacha_poly1305_decrypt(c, len, out, in + NONCE);
	chacha_poly1305_digest(c, TAG, tag);
	return memeql_sec(tag, in + NONCE + len, TAG) ? (int)len : -1;
}

__attribute__((visibility("default"))) extern const struct kcpshim_plugin kcpshim_plugin;
const struct kcpshim_plugin kcpshim_plugin = {
	.abi = KCPSHIM_PLUGIN_ABI,
	.size = sizeof(struct kcpshim_plugin),
	.name = "chacha-example",
	.overhead = NONCE + TAG,
	.context_new = chacha_new,
	.context_free = chacha_free,
	.encrypt = chacha_encrypt,
	.decrypt = chacha_decrypt,
};
