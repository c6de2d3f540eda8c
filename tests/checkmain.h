/* checkmain: runs the test cases of a test program.
 *
 * No time limit of Check's own: a slow machine fails nothing, and the harness ends what hangs.
 */
#ifndef KCPSHIM_TESTS_CHECKMAIN_H
#define KCPSHIM_TESTS_CHECKMAIN_H

#include <stdlib.h>

#include <check.h>

/* A test case of `s` with fixtures around each test. */
static inline TCase *
check_group(Suite *s, const char *name, void (*before)(void), void (*after)(void))
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, 0);
	tcase_add_checked_fixture(tc, before, after);
	suite_add_tcase(s, tc);
	return tc;
}

/* Exit status for main(). */
static inline int
check_run(Suite *s)
{
	SRunner *sr = srunner_create(s);
	int failed;

	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The same for a single test case. */
static inline int
check_main(const char *name, TCase *tc)
{
	Suite *s = suite_create(name);

	tcase_set_timeout(tc, 0);
	suite_add_tcase(s, tc);
	return check_run(s);
}

#endif
