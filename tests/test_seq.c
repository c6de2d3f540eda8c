#include <stdlib.h>

#include <check.h>

#include "core/seq.h"
#include "checkmain.h"

static const struct {
	uint32_t a, b;
	int32_t diff;
} cases[] = {
	{ 0, 0, 0 }, { 1, 0, 1 }, { 0, 1, -1 }, { 0, 0xffffffffu, 1 }, { 0xffffffffu, 0, -1 },
	{ 5, 0xfffffff0u, 21 }, { 0x7fffffffu, 0, INT32_MAX }, { 0x80000001u, 0, -INT32_MAX },
};

START_TEST(order)
{
	ck_assert_int_eq(seq_diff(cases[_i].a, cases[_i].b), cases[_i].diff);
	ck_assert_int_eq(seq_before(cases[_i].a, cases[_i].b), cases[_i].diff < 0);
	ck_assert_int_eq(seq_after(cases[_i].a, cases[_i].b), cases[_i].diff > 0);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("order");

	tcase_add_loop_test(t, order, 0, sizeof(cases) / sizeof(cases[0]));
	return check_main("seq", t);
}
