#include <string.h>

#include "checkmain.h"
#include "core/traffic.h"

START_TEST(suites_and_secrets_share_nothing)
{
	uint8_t secret[32] = { 1 };
	struct traffic_keys a, b;

	traffic_derive(&a, SEAL_AES_256_GCM, secret);
	traffic_derive(&b, SEAL_CHACHA20_POLY1305, secret);
	ck_assert_mem_ne(a.key, b.key, sizeof a.key);
	ck_assert_mem_ne(a.iv, b.iv, sizeof a.iv);
	ck_assert_mem_ne(a.key, secret, sizeof a.key);
	secret[31] = 1;
	traffic_derive(&b, SEAL_AES_256_GCM, secret);
	ck_assert_mem_ne(a.key, b.key, sizeof a.key);
	ck_assert_mem_ne(a.iv, b.iv, sizeof a.iv);
}
END_TEST

START_TEST(renewal_is_one_way_and_the_same_on_both_sides)
{
	uint8_t secret[32] = { 7 };
	struct traffic_keys a, b, old;

	traffic_derive(&a, SEAL_AES_256_GCM, secret);
	b = old = a;
	for (int phase = 0; phase < 5; phase++) {
		traffic_renew(&a);
		traffic_renew(&b);
		ck_assert_mem_eq(a.key, b.key, sizeof a.key);
		ck_assert_mem_eq(a.iv, b.iv, sizeof a.iv);
		ck_assert_mem_ne(a.key, old.key, sizeof a.key);
		ck_assert_mem_ne(a.iv, old.iv, sizeof a.iv);
		ck_assert_mem_ne(a.secret, old.secret, sizeof a.secret);
		old = a;
	}
}
END_TEST

START_TEST(wipe_clears)
{
	static const uint8_t zero[100];
	uint8_t buf[100];

	memset(buf, 0xaa, sizeof buf);
	traffic_wipe(buf, sizeof buf);
	ck_assert_mem_eq(buf, zero, sizeof zero);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("traffic");

	tcase_add_test(tc, suites_and_secrets_share_nothing);
	tcase_add_test(tc, renewal_is_one_way_and_the_same_on_both_sides);
	tcase_add_test(tc, wipe_clears);
	return check_main("traffic", tc);
}
