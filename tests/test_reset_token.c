#include <string.h>

#include "checkmain.h"
#include "core/budget.h"
#include "core/bytes.h"
#include "core/reset_token.h"

static const struct netaddr address = { .family = 4, .ip = { 192, 0, 2, 1 }, .port = 4000 };

static void
make_secret(uint8_t secret[RESET_SECRET_LEN], int fill)
{
	memset(secret, fill, RESET_SECRET_LEN);
}

START_TEST(token_depends_on_everything)
{
	uint8_t secret[RESET_SECRET_LEN], other[RESET_SECRET_LEN];
	struct reset_token a, b;
	struct netaddr addr;
	int i;

	make_secret(secret, 1);
	make_secret(other, 2);
	reset_token_make(secret, &address, 77, &a);
	reset_token_make(secret, &address, 77, &b);
	ck_assert_mem_eq(&a, &b, sizeof(a));
	for (i = 0; i < 5; i++) {
		addr = address;
		addr.family = i == 0 ? 6 : 4;
		addr.ip[3] ^= i == 1;
		addr.port ^= i == 2;
		reset_token_make(i == 4 ? other : secret, &addr, i == 3 ? 78 : 77, &b);
		ck_assert_mem_ne(a.token, b.token, sizeof(a.token));
		ck_assert_uint_ne(a.id, b.id);
	}
}
END_TEST

START_TEST(parameter_round_trip)
{
	uint8_t secret[RESET_SECRET_LEN], wire[RESET_PARAM_LEN];
	struct reset_token a, b;

	make_secret(secret, 3);
	reset_token_make(secret, &address, 1, &a);
	reset_token_put(&a, wire);
	reset_token_get(&b, wire);
	ck_assert_mem_eq(&a, &b, sizeof(a));
}
END_TEST

/* All ids that the server makes are its own; of others it takes one in 4096 for such a one. */
START_TEST(ids_are_recognized)
{
	uint8_t secret[RESET_SECRET_LEN], other[RESET_SECRET_LEN];
	uint32_t i, cid, taken = 0;

	make_secret(secret, 4);
	make_secret(other, 5);
	for (i = 0; i < 1000; i++) {
		cid = reset_token_cid(secret, i * 2654435761u);
		ck_assert(reset_token_knows(secret, cid));
		ck_assert_uint_eq(cid & 0xfffff, i * 2654435761u & 0xfffff);
		ck_assert(!reset_token_knows(secret, cid ^ 1u << (20 + i % 12)));
	}
	for (i = 0; i < 100000; i++)
		taken += reset_token_knows(other, i * 2654435761u);
	ck_assert_uint_ge(taken, 5);
	ck_assert_uint_le(taken, 60);
}
END_TEST

/* Smaller than what it answers, so that two hosts that answer each other come to an end. */
START_TEST(answers_get_smaller)
{
	size_t len, n;

	for (len = 0; len <= 2000; len++) {
		n = reset_token_answer_len(len);
		ck_assert(n == 0 || (n < len && n >= RESET_LEN_MIN && n <= RESET_LEN_MAX));
		ck_assert_int_eq(n == 0, len < 30);
	}
}
END_TEST

START_TEST(answer_is_believed)
{
	uint8_t secret[RESET_SECRET_LEN], data[100] = { 0 }, filler[RESET_LEN_MAX], out[RESET_LEN_MAX];
	struct reset_token t;
	size_t len, n, bit;

	make_secret(secret, 6);
	memset(filler, 0xaa, sizeof(filler));
	data[4] = 0xc5;
	reset_token_make(secret, &address, 9, &t);
	for (len = 30; len <= sizeof(data); len++) {
		n = reset_token_answer_len(len);
		reset_token_answer(&t, data, len, filler, out);
		ck_assert_uint_eq(bytes_get32(out), t.id);
		ck_assert_uint_eq(out[4], 0xc5);
		ck_assert(reset_token_matches(&t, out, n));
		for (bit = (n - RESET_TOKEN_LEN) * 8; bit < n * 8; bit++) {
			out[bit / 8] ^= (uint8_t)(1u << bit % 8);
			ck_assert(!reset_token_matches(&t, out, n));
			out[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		ck_assert(!reset_token_matches(&t, out, n - 1));
		ck_assert(!reset_token_matches(&t, out + n - RESET_TOKEN_LEN, RESET_TOKEN_LEN));
	}
}
END_TEST

START_TEST(budget_per_second)
{
	struct budget b = { 0 };
	uint32_t i, taken = 0;

	for (i = 0; i < 2 * RESET_RATE; i++)
		taken += budget_take(&b, RESET_RATE, 5000000 + i);
	ck_assert_uint_eq(taken, RESET_RATE);
	ck_assert(budget_take(&b, RESET_RATE, 6000000));
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("reset_token");

	tcase_add_test(tc, token_depends_on_everything);
	tcase_add_test(tc, parameter_round_trip);
	tcase_add_test(tc, ids_are_recognized);
	tcase_add_test(tc, answers_get_smaller);
	tcase_add_test(tc, answer_is_believed);
	tcase_add_test(tc, budget_per_second);
	return check_main("reset_token", tc);
}
