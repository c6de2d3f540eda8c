/* lanes: one listener and its connections on several engine threads, which are run here without the library around them. */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/lane.h"
#include "core/rules.h"
#include "engine/config.h"
#include "engine/ctlproto.h"
#include "engine/ident.h"
#include "engine/loop.h"
#include "checkmain.h"

#define LANES 3u
#define ROUNDS_MAX 300

static struct config config;
static struct loop loops[LANES];
static uint64_t family;

static struct ctl_reply
ask(unsigned lane, struct ctl_request q, int fd, int *got)
{
	union { char buf[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control = { { 0 } };
	struct iovec iov = { &q, sizeof(q) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	int sock = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	struct sockaddr_un un;
	struct ctl_reply r;

	q.magic = CTL_MAGIC;
	q.version = CTL_VERSION;
	ck_assert_int_eq(connect(sock, (struct sockaddr *)&un, ident_engine_name(family | lane, &un)), 0);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	if (fd < 0)
		m.msg_controllen = 0;
	ck_assert_int_eq(sendmsg(sock, &m, 0), sizeof(q));
	iov = (struct iovec){ &r, sizeof(r) };
	m.msg_control = &control;
	m.msg_controllen = sizeof(control);
	ck_assert_int_eq(recvmsg(sock, &m, 0), sizeof(r));
	if (got != NULL && (c = CMSG_FIRSTHDR(&m)) != NULL)
		memcpy(got, CMSG_DATA(c), sizeof(int));
	close(sock);
	return r;
}

static void *
run(void *arg)
{
	loop_run(arg);
	return NULL;
}

static void
start(void)
{
	static const char rules[] = "kcp any 127.0.0.1:* threads=3";
	char err[RULES_ERRLEN];

	ck_assert_int_eq(rules_parse(&config.rules, "test", rules, strlen(rules), err), 0);
	config.threads = LANES;
	strcpy(config.program, "test");
	ck_assert_int_eq(getrandom(&family, sizeof(family), 0), sizeof(family));
	family &= UINT64_C(0xffffffffffff) & ~(uint64_t)(LANE_MAX - 1);
	for (unsigned i = 0; i < LANES; i++) {
		int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		struct sockaddr_un un;
		pthread_t thread;

		ck_assert_int_eq(bind(fd, (struct sockaddr *)&un, ident_engine_name(family | i, &un)), 0);
		ck_assert_int_eq(listen(fd, 64), 0);
		ck_assert_int_eq(loop_init(&loops[i], &config, family | i, fd), 0);
		ck_assert_int_eq(pthread_create(&thread, NULL, run, &loops[i]), 0);
		pthread_detach(thread);
	}
}

static int
tcp_socket(struct netaddr *a)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(a->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	ck_assert(ident_from_sockaddr(a, (struct sockaddr *)&sin, len));
	return fd;
}

static int
listen_on(struct netaddr *a)
{
	int fd = tcp_socket(a), pair = -1;

	ck_assert_int_eq(ask(0, (struct ctl_request){ .op = CTL_LISTEN, .backlog = 16 }, fd, &pair).error, 0);
	ck_assert_int_ge(pair, 0);
	close(fd);
	return pair;
}

static int
connect_to(const struct netaddr *a, unsigned lane)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), pair = -1;

	ck_assert_int_eq(ask(lane, (struct ctl_request){ .op = CTL_CONNECT, .addr = *a }, fd, &pair).error, 0);
	ck_assert_int_ge(pair, 0);
	close(fd);
	return pair;
}

static int
accept_from(int listener)
{
	union { char buf[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control;
	uint32_t id;
	struct iovec iov = { &id, sizeof(id) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	int fd;

	ck_assert_int_eq(recvmsg(listener, &m, 0), sizeof(id));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
	return fd;
}

static unsigned
lane_of(int fd)
{
	struct sockaddr_un un;
	socklen_t len = sizeof(un);
	struct ident id;

	ck_assert_int_eq(getpeername(fd, (struct sockaddr *)&un, &len), 0);
	ck_assert(ident_parse(&id, &un, len));
	ck_assert_uint_eq(id.engine & ~(uint64_t)(LANE_MAX - 1), family);
	return (unsigned)(id.engine % LANE_MAX);
}

static void
talk(int from, int to)
{
	char text[] = "from one end to the other", got[sizeof(text)];

	ck_assert_int_eq(write(from, text, sizeof(text)), sizeof(text));
	ck_assert_int_eq(recv(to, got, sizeof(got), MSG_WAITALL), sizeof(got));
	ck_assert_str_eq(text, got);
}

START_TEST(test_each_thread_serves_its_part)
{
	struct netaddr a = { .family = 4 };
	int listener, client[LANES], server[LANES], seen = 0, other;

	start();
	listener = listen_on(&a);
	for (int i = 0; i < ROUNDS_MAX && seen < (int)LANES; i++) {
		int c = connect_to(&a, (unsigned)i % LANES), s = accept_from(listener), known = 0;

		ck_assert_uint_eq(lane_of(c), (unsigned)i % LANES);
		talk(c, s);
		talk(s, c);
		for (int j = 0; j < seen; j++)
			known |= lane_of(server[j]) == lane_of(s);
		if (known) {
			close(c);
			close(s);
			continue;
		}
		client[seen] = c;
		server[seen++] = s;
	}
	ck_assert_int_eq(seen, (int)LANES);
	/* Sessions outlive their listener, and its port is free at once. */
	close(listener);
	(void)ask(0, (struct ctl_request){ .op = CTL_SYNC }, -1, NULL);
	listener = listen_on(&a);
	for (int i = 0; i < (int)LANES; i++) {
		talk(client[i], server[i]);
		talk(server[i], client[i]);
	}
	other = connect_to(&a, 0);
	talk(other, accept_from(listener));
}
END_TEST

START_TEST(test_a_second_server_is_refused)
{
	struct netaddr a = { .family = 4 };
	int listener, fd;

	start();
	listener = listen_on(&a);
	fd = tcp_socket(&a);
	ck_assert_int_eq(ask(0, (struct ctl_request){ .op = CTL_LISTEN }, fd, NULL).error, EADDRINUSE);
	close(listener);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("lanes");

	tcase_add_test(t, test_each_thread_serves_its_part);
	tcase_add_test(t, test_a_second_server_is_refused);
	return check_main("lanes", t);
}
