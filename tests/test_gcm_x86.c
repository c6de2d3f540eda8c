/* AES-256-GCM against nettle's, at every length around the widths that are worked on at once. */
#include <string.h>

#include <nettle/gcm.h>

#include "checkmain.h"
#include "core/gcm_x86.h"

#define LONGEST 1500u

static uint8_t
noise(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return (uint8_t)(*state >> 24);
}

static void
fill(uint8_t *p, size_t len, uint32_t *state)
{
	while (len-- > 0)
		*p++ = noise(state);
}

static void
compare(enum gcm_x86_level level, size_t aad_len, size_t len, uint32_t seed)
{
	static uint8_t plain[LONGEST], ours[LONGEST + 1], theirs[LONGEST];
	uint8_t key[GCM_X86_KEY_LEN], nonce[GCM_X86_NONCE_LEN], aad[64], tag[GCM_X86_TAG_LEN], expected[GCM_X86_TAG_LEN];
	struct gcm_aes256_ctx ctx;
	struct gcm_x86 g;

	fill(key, sizeof(key), &seed);
	fill(nonce, sizeof(nonce), &seed);
	fill(aad, sizeof(aad), &seed);
	fill(plain, len, &seed);
	gcm_aes256_set_key(&ctx, key);
	gcm_aes256_set_iv(&ctx, sizeof(nonce), nonce);
	gcm_aes256_update(&ctx, aad_len, aad);
	gcm_aes256_encrypt(&ctx, len, theirs, plain);
	gcm_aes256_digest(&ctx, sizeof(expected), expected);

	gcm_x86_set_key(&g, key);
	memcpy(ours, plain, len);
	ours[len] = 0x5a;
	gcm_x86_encrypt(&g, level, nonce, aad, aad_len, ours, len, tag);
	ck_assert_mem_eq(ours, theirs, len);
	ck_assert_mem_eq(tag, expected, sizeof(tag));
	memset(tag, 0, sizeof(tag));
	gcm_x86_decrypt(&g, level, nonce, aad, aad_len, ours, len, tag);
	ck_assert_mem_eq(ours, plain, len);
	ck_assert_mem_eq(tag, expected, sizeof(tag));
	ck_assert_uint_eq(ours[len], 0x5a);
}

/* The loop's index is the level. A processor without it has nothing to show. */
START_TEST(as_nettle)
{
	enum gcm_x86_level level = (enum gcm_x86_level)_i;

	if (level > gcm_x86_level())
		return;
	for (size_t len = 0; len <= 600; len++)
		compare(level, 9, len, (uint32_t)len + 1);
	for (size_t len = 1300; len <= LONGEST; len += 7)
		compare(level, 9, len, (uint32_t)len + 1);
	for (size_t aad = 0; aad <= 64; aad++)
		compare(level, aad, 100, (uint32_t)aad + 7777);
	for (uint32_t seed = 0; seed < 300; seed++)
		compare(level, seed % 33, seed * 37 % LONGEST, seed * 2654435761u);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("gcm_x86");

	tcase_add_loop_test(tc, as_nettle, GCM_X86_SSE, GCM_X86_AVX2 + 1);
	return check_main("gcm_x86", tc);
}
