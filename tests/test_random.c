#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "core/random.h"
#include "checkmain.h"

START_TEST(same_seed_same_stream)
{
	uint8_t seed[RANDOM_SEED_LEN] = { 1, 2, 3 }, a[2000], b[2000];
	struct random r;
	size_t i;

	random_init(&r, seed);
	random_bytes(&r, a, sizeof(a));
	random_init(&r, seed);
	for (i = 0; i < sizeof(b); i += 8)
		random_bytes(&r, b + i, 8);
	ck_assert_mem_eq(a, b, sizeof(a));
	seed[31] = 1;
	random_init(&r, seed);
	random_bytes(&r, b, sizeof(b));
	ck_assert_mem_ne(a, b, sizeof(a));
}
END_TEST

/* The first block of ChaCha20 with key 0, nonce 0, counter 0 (RFC 8439 A.1, test vector 1): its first half becomes
 * the next key, the second half is the first output. */
START_TEST(known_stream)
{
	static const uint8_t expect[32] = {
		0xda, 0x41, 0x59, 0x7c, 0x51, 0x57, 0x48, 0x8d, 0x77, 0x24, 0xe0, 0x3f, 0xb8, 0xd8, 0x4a, 0x37,
		0x6a, 0x43, 0xb8, 0xf4, 0x15, 0x18, 0xa1, 0x1c, 0xc3, 0x87, 0xb6, 0x69, 0xb2, 0xee, 0x65, 0x86,
	};
	uint8_t seed[RANDOM_SEED_LEN] = { 0 }, out[32];
	struct random r;

	random_init(&r, seed);
	random_bytes(&r, out, sizeof(out));
	ck_assert_mem_eq(out, expect, sizeof(out));
}
END_TEST

START_TEST(output_is_erased)
{
	uint8_t seed[RANDOM_SEED_LEN] = { 9 };
	struct random r;
	uint64_t v;
	size_t i;

	random_init(&r, seed);
	v = random_u64(&r);
	ck_assert_uint_ne(v, random_u64(&r));
	for (i = 0; i + sizeof(v) <= sizeof(r.pool); i++)
		ck_assert_mem_ne(r.pool + i, &v, sizeof(v));
}
END_TEST

START_TEST(bits_are_balanced)
{
	uint8_t seed[RANDOM_SEED_LEN] = { 4 };
	struct random r;
	unsigned ones = 0;
	int i;

	random_init(&r, seed);
	for (i = 0; i < 10000; i++)
		ones += (unsigned)__builtin_popcount(random_u32(&r));
	ck_assert_uint_gt(ones, 158000);
	ck_assert_uint_lt(ones, 162000);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("random");

	tcase_add_test(tc, same_seed_same_stream);
	tcase_add_test(tc, known_stream);
	tcase_add_test(tc, output_is_erased);
	tcase_add_test(tc, bits_are_balanced);
	return check_main("random", tc);
}
