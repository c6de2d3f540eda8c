/* Written beside nettle because its hash takes one block at a time and its cipher two, which leaves the processor's units idle most
 * of the time. Eight or sixteen independent blocks keep them busy. There is no table and no branch that depends on a secret.
 *
 * The hash is computed as POLYVAL, whose bits are in the processor's order: GHASH(H, X) is the byte-reversed
 * POLYVAL(x * reversed(H), reversed(X)), RFC 8452 appendix A. A product is summed up unreduced, its four parts apart.
 */
#include "gcm_x86.h"

#include <string.h>

#include <nettle/aes.h>

#include "traffic.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define ROUNDS 14u
#define WIDE 8u                 /* blocks at once */
#define WIDER 16u
#define BLOCK 16u

/* So that the blocks stay in registers; clang knows by itself. */
#if defined(__clang__)
#define UNROLL
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#define SSE __attribute__((target("aes,pclmul,ssse3,sse4.1")))
#define SSE_INLINE SSE __attribute__((always_inline)) static inline
#define AVX2 __attribute__((target("aes,pclmul,ssse3,sse4.1,avx2,vaes,vpclmulqdq")))
#define AVX2_INLINE AVX2 __attribute__((always_inline)) static inline

struct sum {
	__m128i lo, mid, hi;
};

/* One message under way. */
struct run {
	const struct gcm_x86 *key;
	__m128i counter;            /* of the next block, byte-reversed */
	__m128i hash;
	bool decrypt;
};

/* Older compilers have no name for one of the two. */
static bool
has_vaes(void)
{
#if defined(__clang__) && __clang_major__ < 19
	return false;
#else
	return __builtin_cpu_supports("vaes") && __builtin_cpu_supports("vpclmulqdq");
#endif
}

enum gcm_x86_level
gcm_x86_level(void)
{
	/* The instruction itself is left to the runtime library, which keeps what it said: in a virtual machine it takes 40 us. */
	if (!__builtin_cpu_supports("aes") || !__builtin_cpu_supports("pclmul") || !__builtin_cpu_supports("sse4.1"))
		return GCM_X86_NONE;
	return __builtin_cpu_supports("avx2") && has_vaes() ? GCM_X86_AVX2 : GCM_X86_SSE;
}

SSE_INLINE __m128i
load(const void *p)
{
	return _mm_loadu_si128((const __m128i *)p);
}

SSE_INLINE void
store(void *p, __m128i v)
{
	_mm_storeu_si128((__m128i *)p, v);
}

SSE_INLINE __m128i
reversed(__m128i v)
{
	return _mm_shuffle_epi8(v, _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}

SSE_INLINE void
sum_add(struct sum *s, __m128i a, __m128i b)
{
	s->lo = _mm_xor_si128(s->lo, _mm_clmulepi64_si128(a, b, 0x00));
	s->hi = _mm_xor_si128(s->hi, _mm_clmulepi64_si128(a, b, 0x11));
	s->mid = _mm_xor_si128(s->mid, _mm_xor_si128(_mm_clmulepi64_si128(a, b, 0x01), _mm_clmulepi64_si128(a, b, 0x10)));
}

/* Times x^-128, modulo x^128 + x^127 + x^126 + x^121 + 1 (Gueron, Langley, Lindell: RFC 8452). */
SSE_INLINE __m128i
sum_reduce(const struct sum *s)
{
	const __m128i poly = _mm_set_epi64x((long long)0xc200000000000000u, 1);
	__m128i lo = _mm_xor_si128(s->lo, _mm_slli_si128(s->mid, 8)), hi = _mm_xor_si128(s->hi, _mm_srli_si128(s->mid, 8));

	lo = _mm_xor_si128(_mm_shuffle_epi32(lo, 0x4e), _mm_clmulepi64_si128(lo, poly, 0x10));
	lo = _mm_xor_si128(_mm_shuffle_epi32(lo, 0x4e), _mm_clmulepi64_si128(lo, poly, 0x10));
	return _mm_xor_si128(hi, lo);
}

SSE_INLINE __m128i
multiply(__m128i a, __m128i b)
{
	struct sum s = { _mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128() };

	sum_add(&s, a, b);
	return sum_reduce(&s);
}

/* n blocks, 1 to GCM_X86_POWERS. */
SSE_INLINE void
hash_blocks(struct run *r, const uint8_t *p, size_t n)
{
	const uint8_t (*power)[BLOCK] = r->key->powers + GCM_X86_POWERS - n;
	struct sum s = { _mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128() };

	sum_add(&s, _mm_xor_si128(r->hash, reversed(load(p))), load(power[0]));
	for (size_t i = 1; i < n; i++)
		sum_add(&s, reversed(load(p + i * BLOCK)), load(power[i]));
	r->hash = sum_reduce(&s);
}

/* x times v. */
SSE_INLINE __m128i
doubled(__m128i v)
{
	const __m128i poly = _mm_set_epi64x((long long)0xc200000000000000u, 1);
	__m128i top = _mm_srli_epi64(v, 63), carry = _mm_sub_epi64(_mm_setzero_si128(), _mm_shuffle_epi32(_mm_srli_si128(top, 8), 0x44));

	v = _mm_or_si128(_mm_slli_epi64(v, 1), _mm_slli_si128(top, 8));
	return _mm_xor_si128(v, _mm_and_si128(carry, poly));
}

SSE void
gcm_x86_set_key(struct gcm_x86 *g, const uint8_t key[GCM_X86_KEY_LEN])
{
	struct aes256_ctx ctx;
	uint8_t zero[BLOCK] = { 0 };
	__m128i h, power;

	/* On this architecture nettle keeps the round keys as bytes in FIPS 197's order. */
	aes256_set_encrypt_key(&ctx, key);
	memcpy(g->round_keys, ctx.keys, sizeof(g->round_keys));
	aes256_encrypt(&ctx, BLOCK, zero, zero);
	h = power = doubled(reversed(load(zero)));
	for (size_t i = GCM_X86_POWERS; i-- > 0; power = multiply(power, h))
		store(g->powers[i], power);
	traffic_wipe(&ctx, sizeof(ctx));
	traffic_wipe(zero, sizeof(zero));
}

SSE_INLINE __m128i
next_counter(struct run *r)
{
	__m128i c = reversed(r->counter);

	r->counter = _mm_add_epi32(r->counter, _mm_set_epi32(0, 0, 0, 1));
	return c;
}

SSE_INLINE __m128i
cipher(const struct gcm_x86 *g, __m128i x)
{
	x = _mm_xor_si128(x, load(g->round_keys[0]));
	UNROLL
	for (unsigned i = 1; i < ROUNDS; i++)
		x = _mm_aesenc_si128(x, load(g->round_keys[i]));
	return _mm_aesenclast_si128(x, load(g->round_keys[ROUNDS]));
}

/* The next WIDE blocks of the key stream. */
SSE_INLINE void
stream_wide(struct run *r, __m128i x[WIDE])
{
	__m128i k = load(r->key->round_keys[0]);

	UNROLL
	for (unsigned b = 0; b < WIDE; b++)
		x[b] = _mm_xor_si128(next_counter(r), k);
	UNROLL
	for (unsigned i = 1; i < ROUNDS; i++) {
		k = load(r->key->round_keys[i]);
		UNROLL
		for (unsigned b = 0; b < WIDE; b++)
			x[b] = _mm_aesenc_si128(x[b], k);
	}
	k = load(r->key->round_keys[ROUNDS]);
	UNROLL
	for (unsigned b = 0; b < WIDE; b++)
		x[b] = _mm_aesenclast_si128(x[b], k);
}

SSE_INLINE void
crypt_wide(struct run *r, uint8_t *p)
{
	__m128i x[WIDE];

	stream_wide(r, x);
	if (r->decrypt)
		hash_blocks(r, p, WIDE);
	UNROLL
	for (unsigned b = 0; b < WIDE; b++)
		store(p + b * BLOCK, _mm_xor_si128(x[b], load(p + b * BLOCK)));
	if (!r->decrypt)
		hash_blocks(r, p, WIDE);
}

AVX2_INLINE void
crypt_wider(struct run *r, uint8_t *p)
{
	const __m256i swap = _mm256_broadcastsi128_si256(_mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
	const __m256i two = _mm256_set_epi32(0, 0, 0, 2, 0, 0, 0, 2);
	__m256i x[WIDER / 2], lo, mid, hi, c, k;
	__m256i counter = _mm256_add_epi32(_mm256_broadcastsi128_si256(r->counter), _mm256_set_epi32(0, 0, 0, 1, 0, 0, 0, 0));
	struct sum s;

	k = _mm256_broadcastsi128_si256(load(r->key->round_keys[0]));
	UNROLL
	for (unsigned b = 0; b < WIDER / 2; b++) {
		x[b] = _mm256_xor_si256(_mm256_shuffle_epi8(counter, swap), k);
		counter = _mm256_add_epi32(counter, two);
	}
	r->counter = _mm256_castsi256_si128(counter);
	UNROLL
	for (unsigned i = 1; i < ROUNDS; i++) {
		k = _mm256_broadcastsi128_si256(load(r->key->round_keys[i]));
		UNROLL
		for (unsigned b = 0; b < WIDER / 2; b++)
			x[b] = _mm256_aesenc_epi128(x[b], k);
	}
	k = _mm256_broadcastsi128_si256(load(r->key->round_keys[ROUNDS]));
	lo = mid = hi = _mm256_setzero_si256();
	UNROLL
	for (unsigned b = 0; b < WIDER / 2; b++) {
		__m256i in = _mm256_loadu_si256((const __m256i *)(p + 2 * b * BLOCK));
		__m256i h = _mm256_loadu_si256((const __m256i *)r->key->powers[2 * b]);
		__m256i out = _mm256_xor_si256(_mm256_aesenclast_epi128(x[b], k), in);

		_mm256_storeu_si256((__m256i *)(p + 2 * b * BLOCK), out);
		c = _mm256_shuffle_epi8(r->decrypt ? in : out, swap);
		if (b == 0)
			c = _mm256_xor_si256(c, _mm256_inserti128_si256(_mm256_setzero_si256(), r->hash, 0));
		lo = _mm256_xor_si256(lo, _mm256_clmulepi64_epi128(c, h, 0x00));
		hi = _mm256_xor_si256(hi, _mm256_clmulepi64_epi128(c, h, 0x11));
		mid = _mm256_xor_si256(mid, _mm256_xor_si256(_mm256_clmulepi64_epi128(c, h, 0x01), _mm256_clmulepi64_epi128(c, h, 0x10)));
	}
	s.lo = _mm_xor_si128(_mm256_castsi256_si128(lo), _mm256_extracti128_si256(lo, 1));
	s.mid = _mm_xor_si128(_mm256_castsi256_si128(mid), _mm256_extracti128_si256(mid, 1));
	s.hi = _mm_xor_si128(_mm256_castsi256_si128(hi), _mm256_extracti128_si256(hi, 1));
	r->hash = sum_reduce(&s);
}

/* Less than WIDE blocks, the last of which need not be whole. */
SSE_INLINE void
crypt_rest(struct run *r, uint8_t *p, size_t len)
{
	uint8_t block[BLOCK];
	size_t whole = len / BLOCK, part = len % BLOCK;

	if (r->decrypt && whole > 0)
		hash_blocks(r, p, whole);
	for (size_t i = 0; i < whole; i++)
		store(p + i * BLOCK, _mm_xor_si128(cipher(r->key, next_counter(r)), load(p + i * BLOCK)));
	if (!r->decrypt && whole > 0)
		hash_blocks(r, p, whole);
	if (part == 0)
		return;
	p += whole * BLOCK;
	memset(block, 0, sizeof(block));
	memcpy(block, p, part);
	if (r->decrypt)
		hash_blocks(r, block, 1);
	store(block, _mm_xor_si128(cipher(r->key, next_counter(r)), load(block)));
	memcpy(p, block, part);
	memset(block + part, 0, sizeof(block) - part);
	if (!r->decrypt)
		hash_blocks(r, block, 1);
}

AVX2 static size_t
crypt_all_wider(struct run *r, uint8_t *p, size_t len)
{
	size_t at = 0;

	for (; len - at >= WIDER * BLOCK; at += WIDER * BLOCK)
		crypt_wider(r, p + at);
	return at;
}

SSE static void
crypt_all(struct run *r, enum gcm_x86_level level, uint8_t *p, size_t len)
{
	size_t at = level == GCM_X86_AVX2 ? crypt_all_wider(r, p, len) : 0;

	for (; len - at >= WIDE * BLOCK; at += WIDE * BLOCK)
		crypt_wide(r, p + at);
	crypt_rest(r, p + at, len - at);
}

SSE static void
run(const struct gcm_x86 *g, enum gcm_x86_level level, bool decrypt, const uint8_t nonce[GCM_X86_NONCE_LEN],
    const uint8_t *aad, size_t aad_len, uint8_t *buf, size_t len, uint8_t tag[GCM_X86_TAG_LEN])
{
	struct run r = { .key = g, .hash = _mm_setzero_si128(), .decrypt = decrypt };
	uint8_t block[BLOCK] = { [BLOCK - 1] = 1 };
	__m128i last;

	memcpy(block, nonce, GCM_X86_NONCE_LEN);
	r.counter = reversed(load(block));
	last = cipher(g, next_counter(&r));
	for (size_t at = 0, n; at < aad_len; at += n) {
		n = aad_len - at < BLOCK ? aad_len - at : BLOCK;
		memset(block, 0, sizeof(block));
		memcpy(block, aad + at, n);
		hash_blocks(&r, block, 1);
	}
	crypt_all(&r, level, buf, len);
	store(block, reversed(_mm_set_epi64x((long long)(aad_len * 8), (long long)(len * 8))));
	hash_blocks(&r, block, 1);
	store(tag, _mm_xor_si128(last, reversed(r.hash)));
}

#else

enum gcm_x86_level
gcm_x86_level(void)
{
	return GCM_X86_NONE;
}

void
gcm_x86_set_key(struct gcm_x86 *g, const uint8_t key[GCM_X86_KEY_LEN])
{
	(void)key;
	memset(g, 0, sizeof(*g));
}

static void
run(const struct gcm_x86 *g, enum gcm_x86_level level, bool decrypt, const uint8_t nonce[GCM_X86_NONCE_LEN],
    const uint8_t *aad, size_t aad_len, uint8_t *buf, size_t len, uint8_t tag[GCM_X86_TAG_LEN])
{
	(void)g, (void)level, (void)decrypt, (void)nonce, (void)aad, (void)aad_len;
	memset(buf, 0, len);
	memset(tag, 0, GCM_X86_TAG_LEN);
}

#endif

void
gcm_x86_encrypt(const struct gcm_x86 *g, enum gcm_x86_level level, const uint8_t nonce[GCM_X86_NONCE_LEN],
    const uint8_t *aad, size_t aad_len, uint8_t *buf, size_t len, uint8_t tag[GCM_X86_TAG_LEN])
{
	run(g, level, false, nonce, aad, aad_len, buf, len, tag);
}

void
gcm_x86_decrypt(const struct gcm_x86 *g, enum gcm_x86_level level, const uint8_t nonce[GCM_X86_NONCE_LEN],
    const uint8_t *aad, size_t aad_len, uint8_t *buf, size_t len, uint8_t tag[GCM_X86_TAG_LEN])
{
	run(g, level, true, nonce, aad, aad_len, buf, len, tag);
}
