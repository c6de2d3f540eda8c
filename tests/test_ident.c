/* ident: names round-trip, stay within sun_path, and nothing else is taken for one of ours. */
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/netaddr.h"
#include "engine/ident.h"
#include "checkmain.h"

static struct netaddr
addr(const char *ip, uint16_t port, uint32_t scope)
{
	struct netaddr a = { .port = port, .scope = scope };

	a.family = strchr(ip, ':') ? 6 : 4;
	ck_assert_int_eq(inet_pton(a.family == 4 ? AF_INET : AF_INET6, ip, a.ip), 1);
	return a;
}

static const struct {
	enum ident_role role;
	int domain;
	const char *local, *peer;
	uint16_t lport, pport;
	uint32_t scope;
} names[] = {
	{ IDENT_CONNECTED, AF_INET, "127.0.0.1", "192.0.2.255", 1, 65535, 0 },
	{ IDENT_ACCEPTED, AF_INET, "0.0.0.0", "10.0.0.1", 0, 80, 0 },
	{ IDENT_LISTENER, AF_INET, "0.0.0.0", NULL, 8080, 0, 0 },
	{ IDENT_CONNECTED, AF_INET6, "::1", "2001:db8::ffff", 4660, 43981, 0 },
	{ IDENT_CONNECTED, AF_INET6, "fe80::1", "fe80::ffff:ffff:ffff:ffff", 65535, 65535, 4294967295u },
	{ IDENT_ACCEPTED, AF_INET6, "::ffff:127.0.0.1", "::ffff:127.0.0.2", 8080, 5, 0 },
	{ IDENT_LISTENER, AF_INET6, "fe80::2", NULL, 9, 0, 7 },
	{ IDENT_LISTENER, AF_INET6, "::", NULL, 443, 0, 0 },
};

static struct ident
name(int i)
{
	struct ident id = { .role = names[i].role, .engine = 0xfedcba987654u, .id = 0xf0000001u, .domain = names[i].domain };

	id.local = addr(names[i].local, names[i].lport, names[i].scope);
	if (names[i].peer)
		id.peer = addr(names[i].peer, names[i].pport, names[i].scope);
	return id;
}

START_TEST(round_trip)
{
	struct ident in = name(_i), out;
	struct sockaddr_un un;
	socklen_t len = ident_format(&in, &un);

	ck_assert_uint_le(len, sizeof(un));
	ck_assert(ident_parse(&out, &un, len));
	ck_assert_int_eq(out.role, in.role);
	ck_assert_uint_eq(out.engine, in.engine);
	ck_assert_uint_eq(out.id, in.id);
	ck_assert_int_eq(out.domain, in.domain);
	ck_assert(netaddr_equal(&out.local, &in.local));
	ck_assert(netaddr_equal(&out.peer, &in.peer));
}
END_TEST

START_TEST(every_truncation_and_extension_is_refused)
{
	struct ident in = name(_i), out;
	struct sockaddr_un un;
	socklen_t len = ident_format(&in, &un);

	for (socklen_t l = 0; l < len; l++) {
		/* Cutting exactly the scope off leaves a valid name of its own. */
		if (names[_i].scope != 0 && l == len - 8)
			continue;
		ck_assert_msg(!ident_parse(&out, &un, l), "accepted %u of %u bytes", l, len);
	}
	if (len < sizeof(un))
		ck_assert(!ident_parse(&out, &un, len + 1));
}
END_TEST

START_TEST(changed_bytes)
{
	struct ident in = name(_i), out;
	struct sockaddr_un un, bad;
	socklen_t len = ident_format(&in, &un);

	for (socklen_t at = offsetof(struct sockaddr_un, sun_path); at < len; at++) {
		static const char junk[] = { 'G', 'F', ' ', '/', ':', '`', (char)0x80 };

		for (size_t j = 0; j < sizeof(junk); j++) {
			bad = un;
			((char *)&bad)[at] = junk[j];
			ck_assert_msg(!ident_parse(&out, &bad, len), "byte %u as %d", at, junk[j]);
		}
	}
}
END_TEST

START_TEST(number_zero_is_refused)
{
	struct ident in = name(0), out;
	struct sockaddr_un un;
	socklen_t len;

	in.id = 0;
	len = ident_format(&in, &un);
	ck_assert(!ident_parse(&out, &un, len));
}
END_TEST

START_TEST(dual_stack_speaks_ipv4)
{
	struct ident in = name(3), out;
	struct sockaddr_un un;
	struct netaddr local = addr("::ffff:192.0.2.1", 7, 0), peer = addr("::ffff:192.0.2.2", 8, 0);

	in.local = addr("192.0.2.1", 7, 0);
	in.peer = addr("192.0.2.2", 8, 0);
	ck_assert(ident_parse(&out, &un, ident_format(&in, &un)));
	ck_assert(netaddr_equal(&out.local, &local));
	ck_assert(netaddr_equal(&out.peer, &peer));
}
END_TEST

START_TEST(engine_name_is_no_descriptor_name)
{
	struct sockaddr_un un;
	struct ident out;
	socklen_t len = ident_engine_name(0x00000000abcdu, &un);

	ck_assert_int_eq(un.sun_path[0], 0);
	ck_assert_uint_eq(len, offsetof(struct sockaddr_un, sun_path) + 1 + 5 + 12);
	ck_assert_mem_eq(un.sun_path + 1, "kcpse00000000abcd", 17);
	ck_assert(!ident_parse(&out, &un, len));
}
END_TEST

START_TEST(kernel_gives_the_name_back)
{
	struct ident in = name(_i), out;
	struct sockaddr_un un;
	int fd[2];
	socklen_t len = ident_format(&in, &un);

	/* Another run of this test may hold the name at this moment. */
	in.engine = (uint64_t)getpid();
	len = ident_format(&in, &un);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	ck_assert_int_eq(bind(fd[0], (struct sockaddr *)&un, len), 0);
	for (int closed = 0; closed < 2; closed++) {
		struct sockaddr_un got;
		socklen_t gotlen = sizeof(got);

		ck_assert_int_eq(getpeername(fd[1], (struct sockaddr *)&got, &gotlen), 0);
		ck_assert(ident_parse(&out, &got, gotlen));
		ck_assert_uint_eq(out.id, in.id);
		/* The name must outlive the engine's end: failed and reset sockets are identified too. */
		if (!closed)
			close(fd[0]);
	}
	close(fd[1]);
}
END_TEST

START_TEST(sockaddr_conversions)
{
	struct sockaddr_storage ss;
	struct netaddr back, v4 = addr("192.0.2.1", 4660, 0), mapped = addr("::ffff:192.0.2.1", 4660, 0);
	struct netaddr scoped = addr("fe80::1", 1, 3);

	ck_assert_uint_eq(ident_to_sockaddr(&v4, AF_INET, &ss), sizeof(struct sockaddr_in));
	ck_assert(ident_from_sockaddr(&back, (struct sockaddr *)&ss, sizeof(struct sockaddr_in)));
	ck_assert(netaddr_equal(&back, &v4));
	ck_assert(!ident_from_sockaddr(&back, (struct sockaddr *)&ss, sizeof(struct sockaddr_in) - 1));

	ck_assert_uint_eq(ident_to_sockaddr(&v4, AF_INET6, &ss), sizeof(struct sockaddr_in6));
	ck_assert(ident_from_sockaddr(&back, (struct sockaddr *)&ss, sizeof(struct sockaddr_in6)));
	ck_assert(netaddr_equal(&back, &mapped));
	ck_assert_uint_eq(ident_to_sockaddr(&mapped, AF_INET, &ss), sizeof(struct sockaddr_in));
	ck_assert(ident_from_sockaddr(&back, (struct sockaddr *)&ss, sizeof(struct sockaddr_in)));
	ck_assert(netaddr_equal(&back, &v4));

	ident_to_sockaddr(&scoped, AF_INET6, &ss);
	ck_assert(ident_from_sockaddr(&back, (struct sockaddr *)&ss, sizeof(struct sockaddr_in6)));
	ck_assert(netaddr_equal(&back, &scoped));
	ck_assert(ident_from_sockaddr(&back, (struct sockaddr *)&ss, 24));
	ck_assert_uint_eq(back.scope, 0);
	ck_assert(!ident_from_sockaddr(&back, (struct sockaddr *)&ss, 23));

	ss.ss_family = AF_UNIX;
	ck_assert(!ident_from_sockaddr(&back, (struct sockaddr *)&ss, sizeof(ss)));
	ck_assert(!ident_from_sockaddr(&back, (struct sockaddr *)&ss, 1));
}
END_TEST

int
main(void)
{
	const int n = (int)(sizeof(names) / sizeof(names[0]));
	TCase *tc = tcase_create("ident");

	tcase_add_loop_test(tc, round_trip, 0, n);
	tcase_add_loop_test(tc, every_truncation_and_extension_is_refused, 0, n);
	tcase_add_loop_test(tc, changed_bytes, 0, n);
	tcase_add_test(tc, number_zero_is_refused);
	tcase_add_test(tc, dual_stack_speaks_ipv4);
	tcase_add_test(tc, engine_name_is_no_descriptor_name);
	tcase_add_loop_test(tc, kernel_gives_the_name_back, 0, n);
	tcase_add_test(tc, sockaddr_conversions);
	return check_main("ident", tc);
}
