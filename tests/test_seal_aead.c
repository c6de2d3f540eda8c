#include <string.h>

#include "checkmain.h"
#include "core/error.h"
#include "core/mem.h"
#include "core/seal.h"
#include "core/seal_aead.h"
#include "json.h"

static struct mem *mem;

static void
setup(void)
{
	mem = mem_new(0);
}

static void
teardown(void)
{
	ck_assert_uint_eq(mem_used(mem), 0);
	mem_destroy(mem);
}

/* Published answers; with packet number 0 the nonce is the iv itself. */
static const struct known {
	enum seal_suite suite;
	const char *key, *iv, *aad, *plain, *sealed;
} known[] = {
	/* The Galois/Counter Mode of Operation, McGrew and Viega, test cases 13, 14 and 16 */
	{ SEAL_AES_256_GCM, "0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "", "",
	    "530f8afbc74536b9a963b4f1c4cb738b" },
	{ SEAL_AES_256_GCM, "0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "",
	    "00000000000000000000000000000000", "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919" },
	{ SEAL_AES_256_GCM, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
	    "feedfacedeadbeeffeedfacedeadbeefabaddad2",
	    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
	    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
	    "76fc6ece0f4e1768cddf8853bb2d551b" },
	/* RFC 8439, 2.8.2 */
	{ SEAL_CHACHA20_POLY1305, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", "070000004041424344454647",
	    "50515253c0c1c2c3c4c5c6c7",
	    "4c616469657320616e642047656e746c656d656e206f662074686520636c6173"
	    "73206f66202739393a204966204920636f756c64206f6666657220796f75206f"
	    "6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73"
	    "637265656e20776f756c642062652069742e",
	    "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
	    "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
	    "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
	    "3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691" },
};

struct bytes {
	size_t len;
	uint8_t b[256];
};

static struct bytes
unhex(const char *text)
{
	struct bytes out;
	long n = hex_decode(text, out.b, sizeof out.b);

	ck_assert_int_ge(n, 0);
	out.len = (size_t)n;
	return out;
}

static struct seal *
make_seal(enum seal_suite suite, const uint8_t *key, const uint8_t *iv)
{
	struct seal *seal = seal_new(mem, suite, key, iv);

	ck_assert_ptr_nonnull(seal);
	return seal;
}

START_TEST(known_answers)
{
	const struct known *k = &known[_i];
	struct bytes key = unhex(k->key), iv = unhex(k->iv), aad = unhex(k->aad), buf = unhex(k->plain), want = unhex(k->sealed);
	struct bytes plain_want = buf;
	struct seal *seal = make_seal(k->suite, key.b, iv.b);
	uint8_t rnd[16] = { 0 }, *plain;

	ck_assert_uint_eq(seal_head(seal), 0);
	ck_assert_uint_eq(seal_tail(seal), 16);
	ck_assert_int_eq(seal_protect(seal, 0, aad.b, aad.len, buf.b, buf.len, rnd), (int)want.len);
	ck_assert_mem_eq(buf.b, want.b, want.len);
	ck_assert_int_eq(seal_open(seal, 0, aad.b, aad.len, buf.b, want.len, &plain), (int)plain_want.len);
	ck_assert_mem_eq(plain, plain_want.b, plain_want.len);
	seal_free(mem, seal);
}
END_TEST

/* The packet number enters the nonce as in RFC 8446, 5.3: sealing number n with iv equals sealing 0 with iv XOR n. */
START_TEST(packet_number_in_nonce)
{
	static const enum seal_suite suites[] = { SEAL_AES_256_GCM, SEAL_CHACHA20_POLY1305 };
	const uint64_t pn = UINT64_C(0x0123456789abcdef);
	uint8_t key[32] = { 5 }, iv[12] = { 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9 }, aad[9] = { 1 }, rnd[16] = { 0 };
	uint8_t a[64] = "plaintext", b[64] = "plaintext";
	struct seal *seal = make_seal(suites[_i], key, iv), *moved;

	for (int i = 0; i < 8; i++)
		iv[11 - i] ^= (uint8_t)(pn >> (8 * i));
	moved = make_seal(suites[_i], key, iv);
	ck_assert_int_eq(seal_protect(seal, pn, aad, sizeof aad, a, 9, rnd), 25);
	ck_assert_int_eq(seal_protect(moved, 0, aad, sizeof aad, b, 9, rnd), 25);
	ck_assert_mem_eq(a, b, 25);
	seal_free(mem, seal);
	seal_free(mem, moved);
}
END_TEST

START_TEST(every_changed_bit_is_noticed)
{
	static const enum seal_suite suites[] = { SEAL_AES_256_GCM, SEAL_CHACHA20_POLY1305 };
	uint8_t key[32] = { 5 }, iv[12] = { 9 }, aad[9] = { 1 }, rnd[16] = { 0 }, sealed[64], buf[64], *plain;
	struct seal *seal = make_seal(suites[_i], key, iv);
	int len;

	memset(sealed, 0x77, sizeof sealed);
	len = seal_protect(seal, 3, aad, sizeof aad, sealed, 40, rnd);
	ck_assert_int_eq(len, 56);
	for (int bit = 0; bit < 8 * (len + (int)sizeof aad); bit++) {
		memcpy(buf, sealed, sizeof buf);
		if (bit < 8 * len)
			buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
		else
			aad[bit / 8 - len] ^= (uint8_t)(1u << bit % 8);
		ck_assert_int_eq(seal_open(seal, 3, aad, sizeof aad, buf, (size_t)len, &plain), KCPSHIM_E_AUTH);
		if (bit >= 8 * len)
			aad[bit / 8 - len] ^= (uint8_t)(1u << bit % 8);
	}
	memcpy(buf, sealed, sizeof buf);
	ck_assert_int_eq(seal_open(seal, 4, aad, sizeof aad, buf, (size_t)len, &plain), KCPSHIM_E_AUTH);
	for (size_t cut = 0; cut < 16; cut++)
		ck_assert_int_eq(seal_open(seal, 3, aad, sizeof aad, buf, cut, &plain), KCPSHIM_E_SHORT);
	memcpy(buf, sealed, sizeof buf);
	ck_assert_int_eq(seal_open(seal, 3, aad, sizeof aad, buf, (size_t)len - 1, &plain), KCPSHIM_E_AUTH);
	memcpy(buf, sealed, sizeof buf);
	ck_assert_int_eq(seal_open(seal, 3, aad, sizeof aad, buf, (size_t)len, &plain), 40);
	seal_free(mem, seal);
}
END_TEST

START_TEST(room_is_exact)
{
	uint8_t key[32] = { 5 }, iv[12] = { 9 };
	struct seal *seal = make_seal(SEAL_AES_256_GCM, key, iv);

	ck_assert_uint_eq(seal_room(seal, 1400), 1384);
	ck_assert_uint_eq(seal_room(seal, 17), 1);
	ck_assert_uint_eq(seal_room(seal, 16), 0);
	ck_assert_uint_eq(seal_room(seal, 0), 0);
	seal_free(mem, seal);
	ck_assert_ptr_null(seal_aead_new(mem, SEAL_NONE, key, iv));
	ck_assert_ptr_null(seal_new(mem, SEAL_AIOKCP, key, iv));
}
END_TEST

/* A key that was never used takes little room. */
START_TEST(unused_is_small)
{
	uint8_t key[32] = { 5 }, iv[12] = { 9 };
	struct seal *seal = make_seal(SEAL_AES_256_GCM, key, iv);

	ck_assert_uint_le(mem_used(mem), 512);
	seal_free(mem, seal);
}
END_TEST

START_TEST(offer)
{
	uint8_t suites[2];

	ck_assert_int_eq(seal_aead_suites(suites), 2);
	ck_assert_uint_ne(suites[0], suites[1]);
	for (int i = 0; i < 2; i++)
		ck_assert(suites[i] == SEAL_AES_256_GCM || suites[i] == SEAL_CHACHA20_POLY1305);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("seal_aead");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, known_answers, 0, (int)(sizeof known / sizeof known[0]));
	tcase_add_loop_test(tc, packet_number_in_nonce, 0, 2);
	tcase_add_loop_test(tc, every_changed_bit_is_noticed, 0, 2);
	tcase_add_test(tc, room_is_exact);
	tcase_add_test(tc, unused_is_small);
	tcase_add_test(tc, offer);
	return check_main("seal_aead", tc);
}
