/* udp_bind: who may share a UDP port with whom. */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "engine/ident.h"
#include "engine/udp_bind.h"
#include "checkmain.h"

static const struct netaddr loopback = { .family = 4, .ip = { 127, 0, 0, 1 } };

static int
bound(struct netaddr *a, enum udp_share share)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0), error = udp_bind(fd, AF_INET, a, share);
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	if (error != 0) {
		close(fd);
		return -error;
	}
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	a->port = ntohs(sin.sin_port);
	return fd;
}

START_TEST(test_a_foreign_owner_keeps_his_port)
{
	struct netaddr a = loopback;
	int one = 1, owner = bound(&a, UDP_ALONE);

	ck_assert_int_ge(owner, 0);
	/* Even one that would share. */
	setsockopt(owner, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	ck_assert_int_eq(bound(&a, UDP_LISTEN), -EADDRINUSE);
	ck_assert_int_eq(bound(&a, UDP_ALONE), -EADDRINUSE);
	close(owner);
}
END_TEST

START_TEST(test_a_listener_returns_beside_its_old_sessions)
{
	struct netaddr a = loopback, peer = loopback;
	struct sockaddr_storage ss;
	int first = bound(&a, UDP_LISTEN), client, old, second;
	socklen_t len;
	char c;

	ck_assert_int_ge(first, 0);
	client = bound(&peer, UDP_ALONE);
	udp_bind_reuse(first, true);
	old = bound(&a, UDP_BESIDE);
	ck_assert_int_ge(old, 0);
	len = ident_to_sockaddr(&peer, AF_INET, &ss);
	ck_assert_int_eq(connect(old, (struct sockaddr *)&ss, len), 0);
	close(first);
	second = bound(&a, UDP_LISTEN);
	ck_assert_int_ge(second, 0);
	ck_assert_int_eq(bound(&a, UDP_LISTEN), -EADDRINUSE);
	/* The old session's datagrams still reach the old session. */
	len = ident_to_sockaddr(&a, AF_INET, &ss);
	ck_assert_int_eq(sendto(client, "x", 1, 0, (struct sockaddr *)&ss, len), 1);
	ck_assert_int_eq(recv(old, &c, 1, MSG_DONTWAIT), 1);
	ck_assert_int_eq(recv(second, &c, 1, MSG_DONTWAIT), -1);
	close(old);
	close(second);
	close(client);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("udp_bind");

	tcase_add_test(t, test_a_foreign_owner_keeps_his_port);
	tcase_add_test(t, test_a_listener_returns_beside_its_old_sessions);
	return check_main("udp_bind", t);
}
