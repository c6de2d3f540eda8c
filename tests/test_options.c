/* options: remembered socket options behave as those of a kernel TCP socket. */
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "checkmain.h"
#include "core/mem.h"
#include "engine/options.h"

static struct mem *m;

static void
setup(void)
{
	m = mem_new(0);
	ck_assert_ptr_nonnull(m);
}

static void
teardown(void)
{
	ck_assert_uint_eq(mem_used(m), 0);
	mem_destroy(m);
}

/* What the kernel says to the same call on a real TCP socket is the expectation. */
static const struct { int level, name, value; } ints[] = {
	{ IPPROTO_TCP, TCP_NODELAY, 1 }, { IPPROTO_TCP, TCP_MAXSEG, 1 }, { IPPROTO_TCP, TCP_KEEPIDLE, 77 },
	{ IPPROTO_TCP, TCP_KEEPIDLE, -1 }, { IPPROTO_TCP, TCP_USER_TIMEOUT, 5000 }, { IPPROTO_TCP, TCP_CORK, 1 },
	{ SOL_SOCKET, SO_KEEPALIVE, 7 }, { SOL_SOCKET, SO_RCVBUF, 10000 }, { IPPROTO_IP, IP_TOS, 0x10 },
	{ IPPROTO_IP, IP_TTL, 300 }, { SOL_SOCKET, 9999, 1 }, { IPPROTO_TCP, 9999, 1 }, { IPPROTO_IPV6, IPV6_TCLASS, 3 },
};

START_TEST(test_set_get_as_kernel)
{
	int level = ints[_i].level, name = ints[_i].name, value = ints[_i].value;
	int fd = socket(AF_INET, SOCK_STREAM, 0), want = 0, got = 0;
	struct options o = { 0 };
	socklen_t wlen = sizeof(want);
	size_t glen = sizeof(got);
	int rc, werr, gerr;

	rc = setsockopt(fd, level, name, &value, sizeof(value)) == 0 ? 0 : errno;
	ck_assert_int_eq(options_set(m, &o, AF_INET, level, name, &value, sizeof(value)), rc);
	werr = getsockopt(fd, level, name, &want, &wlen) == 0 ? 0 : errno;
	gerr = options_get(&o, AF_INET, level, name, &got, &glen);
	ck_assert_int_eq(gerr, werr);
	if (werr == 0) {
		ck_assert_uint_eq(glen, wlen);
		ck_assert_int_eq(got, want);
	}
	close(fd);
	options_dispose(m, &o);
}
END_TEST

START_TEST(test_read_finds_what_was_set)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1, idle = 33;
	struct linger lg = { 1, 5 };
	struct options o = { 0 }, copy = { 0 };
	struct options_usual *usual = NULL;
	int seconds = 0, other = socket(AF_INET6, SOCK_STREAM, 0), two = 2;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &lg, sizeof(lg));
	ck_assert_int_eq(options_read(m, &usual, &o, fd, AF_INET, 5), 0);
	ck_assert_int_eq(options_copy(m, &copy, &o), 0);
	ck_assert_int_eq(options_int(&copy, IPPROTO_TCP, TCP_NODELAY, 0), 1);
	ck_assert_int_eq(options_int(&copy, IPPROTO_TCP, TCP_KEEPIDLE, 7200), 33);
	ck_assert_int_eq(options_int(&copy, IPPROTO_TCP, TCP_KEEPINTVL, 75), 75);
	ck_assert(options_linger(&copy, &seconds));
	ck_assert_int_eq(seconds, 5);
	ck_assert_uint_eq(copy.count, 3);
	options_dispose(m, &o);
	/* What fresh sockets carry was read already. */
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &two, sizeof(two));
	ck_assert_int_eq(options_read(m, &usual, &o, fd, AF_INET, 6), 0);
	ck_assert_uint_eq(o.count, 4);
	ck_assert_int_eq(options_int(&o, IPPROTO_TCP, TCP_KEEPCNT, 9), 2);
	options_dispose(m, &o);
	if (other >= 0) {
		setsockopt(other, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &two, sizeof(two));
		ck_assert_int_eq(options_read(m, &usual, &o, other, AF_INET6, 7), 0);
		ck_assert_uint_eq(o.count, 1);
		ck_assert_int_eq(options_int(&o, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 64), 2);
		options_dispose(m, &o);
		close(other);
	}
	close(fd);
	options_usual_free(m, usual);
	options_dispose(m, &copy);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("options");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, test_set_get_as_kernel, 0, (int)(sizeof(ints) / sizeof(ints[0])));
	tcase_add_test(t, test_read_finds_what_was_set);
	return check_main("options", t);
}
