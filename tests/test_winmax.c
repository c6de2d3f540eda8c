#include <stdio.h>

#include <check.h>

#include "checkmain.h"
#include "core/winmax.h"

#define WINDOW 10u

START_TEST(forgets_after_the_window)
{
	struct winmax m = { 0 };
	uint16_t round = UINT16_MAX - 5;

	winmax_update(&m, 100, round, WINDOW);
	for (uint16_t i = 1; i <= WINDOW; i++)
		winmax_update(&m, 50, (uint16_t)(round + i), WINDOW);
	ck_assert_uint_eq(m.value[0], 100);
	winmax_update(&m, 50, (uint16_t)(round + WINDOW + 1), WINDOW);
	ck_assert_uint_eq(m.value[0], 50);
	winmax_update(&m, 200, (uint16_t)(round + WINDOW + 1), WINDOW);
	ck_assert_uint_eq(m.value[0], 200);
	winmax_update(&m, 1, (uint16_t)(round + 3 * WINDOW), WINDOW);
	ck_assert_uint_eq(m.value[0], 1);
}
END_TEST

/* Never more than the window's greatest value, never less than that of its newest quarter. */
START_TEST(near_the_true_maximum)
{
	uint64_t values[1000], seed = 7;
	struct winmax m = { 0 };

	printf("seed %llu\n", (unsigned long long)seed);
	for (uint16_t i = 0; i < 1000; i++) {
		uint64_t most = 0, recent = 0;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		values[i] = seed >> 40;
		winmax_update(&m, values[i], i, WINDOW);
		for (uint32_t age = 0; age <= WINDOW && age <= i; age++) {
			most = values[i - age] > most ? values[i - age] : most;
			if (age < WINDOW / 4 && values[i - age] > recent)
				recent = values[i - age];
		}
		ck_assert_uint_le(m.value[0], most);
		ck_assert_uint_ge(m.value[0], recent);
	}
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("winmax");

	tcase_add_test(t, forgets_after_the_window);
	tcase_add_test(t, near_the_true_maximum);
	return check_main("winmax", t);
}
