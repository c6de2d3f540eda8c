#include <string.h>

#include "checkmain.h"
#include "core/cookie.h"

#define SECOND UINT64_C(1000000)

static const struct netaddr address = { .family = 4, .ip = { 192, 0, 2, 1 }, .port = 4000 };
static const uint8_t ephemeral[32] = { 1, 2, 3 };

static struct cookie_jar
make_jar(uint64_t now)
{
	uint8_t random[COOKIE_SECRET_LEN];
	struct cookie_jar jar;

	memset(random, 0x11, sizeof random);
	cookie_jar_init(&jar, random, now);
	return jar;
}

START_TEST(bound_to_everything)
{
	struct cookie_jar jar = make_jar(0), other = jar;
	uint8_t cookie[COOKIE_LEN], zero[COOKIE_LEN] = { 0 }, key[32];
	struct netaddr a = address;

	cookie_make(&jar, &address, ephemeral, cookie);
	ck_assert(cookie_valid(&jar, &address, ephemeral, cookie));
	ck_assert(!cookie_valid(&jar, &address, ephemeral, zero));
	a.port++;
	ck_assert(!cookie_valid(&jar, &a, ephemeral, cookie));
	a = address;
	a.ip[3]++;
	ck_assert(!cookie_valid(&jar, &a, ephemeral, cookie));
	a = address;
	a.family = 6;
	ck_assert(!cookie_valid(&jar, &a, ephemeral, cookie));
	memcpy(key, ephemeral, sizeof key);
	key[31] ^= 1;
	ck_assert(!cookie_valid(&jar, &address, key, cookie));
	other.secret[0][5] ^= 1;
	ck_assert(!cookie_valid(&other, &address, ephemeral, cookie));
	for (unsigned bit = 0; bit < 8 * COOKIE_LEN; bit++) {
		cookie[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert(!cookie_valid(&jar, &address, ephemeral, cookie));
		cookie[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}
END_TEST

START_TEST(lives_for_one_to_two_periods)
{
	uint8_t second[COOKIE_SECRET_LEN] = { 2 }, third[COOKIE_SECRET_LEN] = { 3 };
	struct cookie_jar jar = make_jar(10 * SECOND);
	uint8_t cookie[COOKIE_LEN];

	ck_assert(!cookie_jar_due(&jar, 129 * SECOND));
	cookie_make(&jar, &address, ephemeral, cookie);
	ck_assert(cookie_jar_due(&jar, 130 * SECOND));
	cookie_jar_rotate(&jar, second, 130 * SECOND);
	ck_assert(!cookie_jar_due(&jar, 249 * SECOND));
	ck_assert(cookie_valid(&jar, &address, ephemeral, cookie));
	cookie_jar_rotate(&jar, third, 250 * SECOND);
	ck_assert(!cookie_valid(&jar, &address, ephemeral, cookie));
}
END_TEST

START_TEST(nothing_old_survives_idleness)
{
	uint8_t second[COOKIE_SECRET_LEN] = { 2 };
	struct cookie_jar jar = make_jar(0);
	uint8_t cookie[COOKIE_LEN];

	cookie_make(&jar, &address, ephemeral, cookie);
	cookie_jar_rotate(&jar, second, 3600 * SECOND);
	ck_assert(!cookie_valid(&jar, &address, ephemeral, cookie));
	cookie_make(&jar, &address, ephemeral, cookie);
	ck_assert(cookie_valid(&jar, &address, ephemeral, cookie));
}
END_TEST

/* Without a previous secret the all-zero one must not be tried. */
START_TEST(zero_secret_is_not_accepted)
{
	struct cookie_jar jar = make_jar(0), zero;
	uint8_t none[COOKIE_SECRET_LEN] = { 0 }, cookie[COOKIE_LEN];

	cookie_jar_init(&zero, none, 0);
	cookie_make(&zero, &address, ephemeral, cookie);
	ck_assert(!cookie_valid(&jar, &address, ephemeral, cookie));
	cookie_jar_wipe(&jar);
	ck_assert_mem_eq(jar.secret[0], none, sizeof none);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("cookie");

	tcase_add_test(tc, bound_to_everything);
	tcase_add_test(tc, lives_for_one_to_two_periods);
	tcase_add_test(tc, nothing_old_survives_idleness);
	tcase_add_test(tc, zero_secret_is_not_accepted);
	return check_main("cookie", tc);
}
