#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "core/crc32c.h"
#include "core/error.h"
#include "core/mem.h"
#include "core/seal.h"
#include "checkmain.h"

static const struct {
	const char *text;
	uint32_t crc;
} crcs[] = {
	{ "", 0 },
	{ "a", 0xc1d04330 },
	{ "123456789", 0xe3069283 },
	{ "The quick brown fox jumps over the lazy dog", 0x22620404 },
};

START_TEST(crc_known)
{
	const char *t = crcs[_i].text;
	size_t n = strlen(t), i;

	ck_assert_uint_eq(crc32c(0, t, n), crcs[_i].crc);
	for (i = 0; i <= n; i++)
		ck_assert_uint_eq(crc32c(crc32c(0, t, i), t + i, n - i), crcs[_i].crc);
}
END_TEST

/* 32 bytes of zeros: RFC 3720 B.4. */
START_TEST(crc_zeros)
{
	static const uint8_t zeros[32];

	ck_assert_uint_eq(crc32c(0, zeros, sizeof(zeros)), 0x8a9136aa);
}
END_TEST

static const struct {
	enum seal_suite suite;
	size_t overhead;
	bool detects;
} suites[] = {
	{ SEAL_NONE, 4, true },
	{ SEAL_PLAIN, 0, false },
};

START_TEST(keyless_round_trip)
{
	static const uint8_t aad[9] = "header--";
	struct mem *mem = mem_new(0);
	struct seal *s = seal_new(mem, suites[_i].suite, NULL, NULL);
	uint8_t buf[200], copy[200], rnd[16] = { 0 }, *plain;
	size_t len, i;
	int n, m;

	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(seal_head(s), 0);
	ck_assert_uint_eq(seal_tail(s), suites[_i].overhead);
	ck_assert_uint_eq(seal_room(s, 100), 100 - suites[_i].overhead);
	ck_assert_uint_eq(seal_room(s, suites[_i].overhead), 0);
	for (len = 0; len <= 150; len += 50) {
		for (i = 0; i < len; i++)
			buf[i] = (uint8_t)(i * 7);
		n = seal_protect(s, 3, aad, sizeof(aad), buf, len, rnd);
		ck_assert_int_eq(n, (int)(len + suites[_i].overhead));
		memcpy(copy, buf, sizeof(copy));
		m = seal_open(s, 3, aad, sizeof(aad), copy, (size_t)n, &plain);
		ck_assert_int_eq(m, (int)len);
		for (i = 0; i < len; i++)
			ck_assert_uint_eq(plain[i], (uint8_t)(i * 7));
		for (i = 0; suites[_i].detects && i < (size_t)n * 8; i++) {
			memcpy(copy, buf, sizeof(copy));
			copy[i / 8] ^= (uint8_t)(1u << i % 8);
			ck_assert_int_eq(seal_open(s, 3, aad, sizeof(aad), copy, (size_t)n, &plain), KCPSHIM_E_AUTH);
		}
		memcpy(copy, buf, sizeof(copy));
		if (suites[_i].detects)
			ck_assert_int_eq(seal_open(s, 3, aad, sizeof(aad) - 1, copy, (size_t)n, &plain), KCPSHIM_E_AUTH);
	}
	if (suites[_i].detects)
		ck_assert_int_eq(seal_open(s, 0, aad, sizeof(aad), buf, 3, &plain), KCPSHIM_E_SHORT);
	seal_free(mem, s);
	seal_free(mem, NULL);
	ck_assert_uint_eq(mem_used(mem), 0);
	mem_destroy(mem);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("seal");

	tcase_add_loop_test(tc, crc_known, 0, sizeof(crcs) / sizeof(crcs[0]));
	tcase_add_test(tc, crc_zeros);
	tcase_add_loop_test(tc, keyless_round_trip, 0, sizeof(suites) / sizeof(suites[0]));
	return check_main("seal", tc);
}
