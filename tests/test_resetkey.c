#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checkmain.h"
#include "engine/resetkey.h"

static char dir[64], file[128];

static void
setup(void)
{
	strcpy(dir, "/tmp/resetkey.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/%s", dir, RESETKEY_FILE);
}

static void
teardown(void)
{
	unlink(file);
	ck_assert_int_eq(rmdir(dir), 0); /* nothing else is left behind */
}

START_TEST(made_once_and_kept)
{
	uint8_t first[RESET_SECRET_LEN], again[RESET_SECRET_LEN], zero[RESET_SECRET_LEN] = { 0 };
	struct stat st;

	ck_assert(resetkey_load(dir, first));
	ck_assert_mem_ne(first, zero, sizeof(zero));
	ck_assert_int_eq(stat(file, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert(resetkey_load(dir, again));
	ck_assert_mem_eq(first, again, sizeof(first));
}
END_TEST

/* Servers that start together get the same one. */
START_TEST(made_together)
{
	uint8_t secret[8][RESET_SECRET_LEN];
	int pipes[8][2], i;

	for (i = 0; i < 8; i++) {
		ck_assert_int_eq(pipe(pipes[i]), 0);
		if (fork() == 0) {
			if (!resetkey_load(dir, secret[0]) || write(pipes[i][1], secret[0], RESET_SECRET_LEN) != RESET_SECRET_LEN)
				_exit(1);
			_exit(0);
		}
		close(pipes[i][1]);
	}
	for (i = 0; i < 8; i++) {
		ck_assert_int_eq(read(pipes[i][0], secret[i], RESET_SECRET_LEN), RESET_SECRET_LEN);
		ck_assert_mem_eq(secret[0], secret[i], RESET_SECRET_LEN);
		close(pipes[i][0]);
		wait(NULL);
	}
}
END_TEST

START_TEST(not_trusted)
{
	uint8_t secret[RESET_SECRET_LEN] = { 1 };
	int fd;

	ck_assert(!resetkey_load("", secret));
	ck_assert(!resetkey_load("relative", secret));
	ck_assert(!resetkey_load("/nonexistent", secret));
	fd = open(file, O_WRONLY | O_CREAT, 0644);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fchmod(fd, 0644), 0);
	ck_assert_int_eq(write(fd, secret, sizeof(secret)), (int)sizeof(secret));
	ck_assert(!resetkey_load(dir, secret));
	ck_assert_int_eq(fchmod(fd, 0600), 0);
	ck_assert(resetkey_load(dir, secret));
	ck_assert_int_eq(ftruncate(fd, RESET_SECRET_LEN - 1), 0);
	ck_assert(!resetkey_load(dir, secret));
	close(fd);
	unlink(file);
	ck_assert_int_eq(symlink("/dev/zero", file), 0);
	ck_assert(!resetkey_load(dir, secret));
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("resetkey");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, made_once_and_kept);
	tcase_add_test(tc, made_together);
	tcase_add_test(tc, not_trusted);
	return check_main("resetkey", tc);
}
