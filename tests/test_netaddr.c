#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "core/error.h"
#include "core/netaddr.h"
#include "checkmain.h"

static const struct {
	struct netaddr addr;
	const char *text;
} formats[] = {
	{ { .port = 80 }, "*:80" },
	{ { .family = 4, .ip = { 192, 0, 2, 1 }, .port = 65535 }, "192.0.2.1:65535" },
	{ { .family = 6, .port = 1 }, "[::]:1" },
	{ { .family = 6, .ip = { [15] = 1 }, .port = 80 }, "[::1]:80" },
	{ { .family = 6, .ip = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 }, .port = 80, .scope = 2 }, "[2001:db8::1%2]:80" },
	{ { .family = 6, .ip = { 0xfe, 0x80 }, .port = 7 }, "[fe80::]:7" },
	{ { .family = 6, .ip = { [1] = 1, [5] = 2, [13] = 3, [15] = 4 }, .port = 7 }, "[1:0:2::3:4]:7" },
	{ { .family = 6, .ip = { [1] = 1, [5] = 2, [7] = 3, [9] = 4, [11] = 5, [13] = 6, [15] = 7 }, .port = 7 },
	    "[1:0:2:3:4:5:6:7]:7" },
	{ { .family = 6, .ip = { [10] = 0xff, [11] = 0xff, 10, 0, 0, 1 }, .port = 9 }, "[::ffff:10.0.0.1]:9" },
	{ { .family = 6,
	      .ip = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
	      .port = 65535, .scope = 4294967295u },
	    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535" },
};

START_TEST(format)
{
	char buf[NETADDR_STRLEN];

	ck_assert_str_eq(netaddr_format(&formats[_i].addr, buf), formats[_i].text);
}
END_TEST

START_TEST(map_and_unmap)
{
	struct netaddr v4 = { .family = 4, .ip = { 10, 1, 2, 3 }, .port = 5 }, a = v4;
	struct netaddr v6 = { .family = 6, .ip = { 0x20, 1 }, .port = 5 }, b = v6;

	netaddr_map(&a);
	ck_assert_uint_eq(a.family, 6);
	ck_assert(!netaddr_equal(&a, &v4));
	netaddr_unmap(&a);
	ck_assert(netaddr_equal(&a, &v4));
	netaddr_unmap(&b);
	ck_assert(netaddr_equal(&b, &v6));
	netaddr_map(&b);
	ck_assert(netaddr_equal(&b, &v6));
}
END_TEST

START_TEST(same_site)
{
	struct netaddr a = { .family = 4, .ip = { 10, 1, 2, 3 }, .port = 5 }, b = a, c = { .family = 6, .ip = { 0x20, 1, [7] = 9, [15] = 1 } }, d = c;

	b.port = 6;
	d.ip[8] = 1;
	ck_assert(netaddr_same_site(&a, &b) && netaddr_same_site(&c, &d));
	b.ip[3] = 4;
	d.ip[7] = 8;
	ck_assert(!netaddr_same_site(&a, &b) && !netaddr_same_site(&c, &d) && !netaddr_same_site(&a, &c));
}
END_TEST

/* Changes each field of `a` in turn. */
static void
change(struct netaddr *a, int field)
{
	switch (field) {
	case 0: a->family ^= 2; break;
	case 1: a->port++; break;
	case 2: a->scope++; break;
	default: a->ip[field - 3] ^= 1; break;
	}
}

START_TEST(each_field_counts)
{
	struct path p = { .sock = 1, .local = formats[4].addr, .remote = formats[4].addr }, q = p;

	ck_assert(path_equal(&p, &q));
	ck_assert_uint_eq(netaddr_hash(&p.remote, 7), netaddr_hash(&q.remote, 7));
	ck_assert_uint_ne(netaddr_hash(&p.remote, 7), netaddr_hash(&q.remote, 8));
	change(&q.remote, _i);
	ck_assert(!netaddr_equal(&p.remote, &q.remote));
	ck_assert_uint_ne(netaddr_hash(&p.remote, 7), netaddr_hash(&q.remote, 7));
	ck_assert(!path_equal(&p, &q));
	q = p;
	change(&q.local, _i);
	ck_assert(!path_equal(&p, &q));
	q = p;
	q.sock++;
	ck_assert(!path_equal(&p, &q));
}
END_TEST

/* Addresses of one network and ports in a row must spread over a small table. */
START_TEST(hash_spreads)
{
	unsigned count[64] = { 0 }, i;
	struct netaddr a = { .family = 4, .ip = { 10, 0, 0, 0 } };

	for (i = 0; i < 64 * 64; i++) {
		a.ip[3] = (uint8_t)(i / 64);
		a.port = (uint16_t)(1024 + i % 64);
		count[netaddr_hash(&a, 1) % 64]++;
	}
	for (i = 0; i < 64; i++)
		ck_assert_uint_lt(count[i], 160);
}
END_TEST

START_TEST(errors_have_texts)
{
	int i;

	for (i = KCPSHIM_E_RANGE; i <= KCPSHIM_OK; i++)
		ck_assert_str_ne(kcpshim_strerror(i), "unknown error");
	for (i = KCPSHIM_E_NETUNREACH; i <= KCPSHIM_E_REFUSED; i++)
		ck_assert_str_ne(kcpshim_strerror(i), "unknown error");
	ck_assert_str_eq(kcpshim_strerror(KCPSHIM_E_TIMEDOUT), "timed out");
	ck_assert_str_eq(kcpshim_strerror(-1000), "unknown error");
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("netaddr");

	tcase_add_loop_test(tc, format, 0, sizeof(formats) / sizeof(formats[0]));
	tcase_add_test(tc, map_and_unmap);
	tcase_add_test(tc, same_site);
	tcase_add_loop_test(tc, each_field_counts, 0, 3 + 16);
	tcase_add_test(tc, hash_spreads);
	tcase_add_test(tc, errors_have_texts);
	return check_main("netaddr", tc);
}
