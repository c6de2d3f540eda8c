/* checkmain: runs the one test case of a test program. */
#ifndef KCPSHIM_TESTS_CHECKMAIN_H
#define KCPSHIM_TESTS_CHECKMAIN_H

#include <stdlib.h>

#include <check.h>

/* Exit status for main(). No time limit of Check's own: a slow machine fails nothing, and the harness ends what hangs. */
static inline int
check_main(const char *name, TCase *tc)
{
	Suite *s = suite_create(name);
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 0);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
