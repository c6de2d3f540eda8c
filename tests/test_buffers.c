/* buffers: small sizes bound the pair and never leave it without room. */
#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "checkmain.h"
#include "core/mem.h"
#include "engine/buffers.h"
#include "engine/relay.h"

static struct mem *m;
static struct conn c;

static void
setup(void)
{
	m = mem_new(0);
	memset(&c, 0, sizeof(c));
	c.src.fd = -1;
}

static void
teardown(void)
{
	options_dispose(m, &c.options);
	mem_destroy(m);
}

static void
set(int name, int value)
{
	ck_assert_int_eq(options_keep(m, &c.options, SOL_SOCKET, name, &value, sizeof(value)), 0);
	buffers_apply(NULL, &c);
}

START_TEST(test_unbounded)
{
	static const int sizes[] = { 0, (int)BUFFERS_UNBOUNDED, 1 << 30 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		set(SO_SNDBUF, sizes[i]);
		ck_assert_uint_eq(c.sndbuf, 0);
		ck_assert(buffers_stash_fits(&c, 65536));
	}
	set(SO_SNDBUF, 4608);
	ck_assert_uint_eq(c.sndbuf, 4608);
	ck_assert(!buffers_stash_fits(&c, 65536));
}
END_TEST

/* Whatever is judged to fit leaves POLLOUT to the program, as this kernel counts. */
START_TEST(test_stash_leaves_room)
{
	static const int sizes[] = { 4608, 16384, 65536, 131072, (int)BUFFERS_UNBOUNDED - 1 };
	struct pollfd p = { .events = POLLOUT };
	size_t run = 1, largest = 0;
	int sv[2];
	char *bytes;

	set(SO_SNDBUF, sizes[_i]);
	while (buffers_stash_fits(&c, run)) {
		largest = run;
		run += 1 + run / 16;
	}
	ck_assert_uint_gt(largest, 1000);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	buffers_apply_app(&c, sv[1]);
	bytes = calloc(1, largest);
	ck_assert_ptr_nonnull(bytes);
	ck_assert_int_eq(send(sv[1], bytes, largest, MSG_DONTWAIT), (ssize_t)largest);
	ck_assert_int_eq(recv(sv[0], bytes, largest - 1, MSG_WAITALL), (ssize_t)largest - 1);
	p.fd = sv[1];
	ck_assert_int_eq(poll(&p, 1, 0), 1);
	ck_assert_int_eq(p.revents, POLLOUT);
	free(bytes);
	close(sv[0]);
	close(sv[1]);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("buffers");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_unbounded);
	tcase_add_loop_test(t, test_stash_leaves_room, 0, 5);
	return check_main("buffers", t);
}
