/* fdroom: calls go on where the soft limit ends, and the limit is as before afterwards. */
#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/fdroom.h"
#include "checkmain.h"

/* Leaves room for `spare` more descriptors below the soft limit, and for hundreds below the hard one. */
static struct rlimit
limit_to(int spare)
{
	struct rlimit r;
	int top = dup(0);

	ck_assert_int_ge(top, 0);
	close(top);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &r), 0);
	ck_assert_uint_gt(r.rlim_max, (rlim_t)top + 100);
	r.rlim_cur = (rlim_t)(top + spare);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &r), 0);
	return r;
}

static void
unchanged(struct rlimit before)
{
	struct rlimit now;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &now), 0);
	ck_assert_uint_eq(now.rlim_cur, before.rlim_cur);
}

#ifdef __SANITIZE_ADDRESS__
/* The leak checker needs descriptors at exit, which these tests use up. */
const char *__asan_default_options(void) __attribute__((visibility("default")));
const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

START_TEST(test_sockets_beyond_the_limit)
{
	struct rlimit r = limit_to(1);
	int sv[2];

	ck_assert_int_ge(fdroom_socket(AF_INET, SOCK_STREAM, 0), 0);
	ck_assert_int_eq(socket(AF_INET, SOCK_STREAM, 0), -1);
	ck_assert_int_eq(errno, EMFILE);
	ck_assert_int_ge(fdroom_socket(AF_INET, SOCK_STREAM, 0), (int)r.rlim_cur);
	ck_assert_int_eq(fdroom_socketpair(SOCK_STREAM, sv), 0);
	unchanged(r);
}
END_TEST

START_TEST(test_received_descriptor_beyond_the_limit)
{
	union { char buf[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control;
	char byte = 'x';
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	struct rlimit r;
	int sv[2], fd = 0;

	ck_assert_int_eq(fdroom_socketpair(SOCK_SEQPACKET, sv), 0);
	memset(&control, 0, sizeof(control));
	c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	ck_assert_int_eq(sendmsg(sv[0], &m, 0), 1);
	r = limit_to(0);
	m.msg_controllen = sizeof(control);
	ck_assert_int_eq(fdroom_recvmsg(sv[1], &m, 0), 1);
	ck_assert_int_eq(m.msg_flags & MSG_CTRUNC, 0);
	ck_assert_ptr_nonnull(CMSG_FIRSTHDR(&m));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	ck_assert_int_ge(fd, (int)r.rlim_cur);
	unchanged(r);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("fdroom");

	tcase_add_test(t, test_sockets_beyond_the_limit);
	tcase_add_test(t, test_received_descriptor_beyond_the_limit);
	return check_main("fdroom", t);
}
