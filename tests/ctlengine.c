/* ctlengine KIND ENGINE: answers control requests with known lines, for the test of kcpctl. Ends when standard input does.
 * KIND: ok, newer (another protocol version), silent (never answers), short (ends in the middle), garbage, refuse (EPERM). */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/ctlproto.h"
#include "engine/ident.h"

static const char *kind;
static uint64_t rate = 125000;

static struct netaddr
address(const char *ip, uint16_t port)
{
	struct netaddr a = { .family = strchr(ip, ':') != NULL ? 6 : 4, .port = port };

	inet_pton(a.family == 6 ? AF_INET6 : AF_INET, ip, a.ip);
	return a;
}

static void
send_status(int fd, const struct ctl_status *s)
{
	struct ctl_status out = *s;

	out.magic = CTL_MAGIC;
	out.version = strcmp(kind, "newer") == 0 ? CTL_VERSION + 1 : CTL_VERSION;
	if (send(fd, &out, sizeof(out), MSG_NOSIGNAL) < 0)
		perror("send");
}

static void
answer_status(int fd)
{
	struct ctl_status listener = { .kind = 1, .pid = 4000000, .id = 1, .role = IDENT_LISTENER, .program = "server",
		.state = "listen", .local = address("2001:db8::1", 8080) };
	struct ctl_status session = { .kind = 2, .pid = 4000000, .id = 7, .role = IDENT_ACCEPTED, .program = "server",
		.state = "estab", .crypto = "aes-256-gcm", .authenticated = 1, .local = address("192.0.2.1", 80),
		.peer = address("192.0.2.2", 40000), .current_peer = address("192.0.2.3", 40001), .rtt_us = 12345,
		.send_queue = 11, .recv_queue = 22, .retransmits = 33, .bytes_sent = 18446744073709551615u,
		.bytes_received = 55, .thread = 3, .cwnd = 10, .mtu = 1400 };
	/* A name that fills its field, and tries to steer what it is printed on. */
	struct ctl_status odd = { .kind = 2, .pid = 4000001, .id = 9, .role = 'z', .state = "syn-sent" };

	session.pacing_rate = rate;
	memset(odd.program, 'x', sizeof(odd.program));
	memcpy(odd.program, "\033[2J\n \"\\\xff\xc3\xa9", 11);
	send_status(fd, &session);
	if (strcmp(kind, "short") == 0)
		return;
	send_status(fd, &odd);
	send_status(fd, &listener);
	send_status(fd, &(struct ctl_status){ 0 });
}

static void
answer_error(int fd, int error)
{
	struct ctl_reply r = { .magic = CTL_MAGIC, .version = CTL_VERSION, .error = error };

	if (send(fd, &r, sizeof(r), MSG_NOSIGNAL) < 0)
		perror("send");
}

static void
answer_set(int fd, const struct ctl_request *q)
{
	if (q->id != 7 || strcmp(q->name, "rate") != 0) {
		answer_error(fd, EINVAL);
		return;
	}
	rate = strtoull((const char *)q->opt, NULL, 10);
	answer_error(fd, 0);
}

static void
serve(int listener)
{
	struct ctl_request q;
	int fd = accept(listener, NULL, NULL);
	ssize_t n;

	if (fd < 0)
		return;
	if (strcmp(kind, "silent") == 0)
		return; /* the connection stays open */
	n = recv(fd, &q, sizeof(q), 0);
	if (n == 0)
		fprintf(stderr, "ctlengine: nothing was asked\n");
	else if (n != (ssize_t)sizeof(q) || q.magic != CTL_MAGIC || q.version != CTL_VERSION)
		fprintf(stderr, "ctlengine: bad request\n");
	else if (strcmp(kind, "garbage") == 0)
		(void)!send(fd, "hello, world", 12, MSG_NOSIGNAL);
	else if (strcmp(kind, "refuse") == 0)
		answer_error(fd, EPERM);
	else if (q.op == CTL_STATUS)
		answer_status(fd);
	else if (q.op == CTL_SET)
		answer_set(fd, &q);
	close(fd);
}

int
main(int argc, char **argv)
{
	struct sockaddr_un un;
	socklen_t len;
	int fd;

	if (argc != 3)
		return 2;
	kind = argv[1];
	len = ident_engine_name(strtoull(argv[2], NULL, 16), &un);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&un, len) != 0 || listen(fd, 5) != 0) {
		perror("ctlengine");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct pollfd p[2] = { { .fd = 0, .events = POLLIN }, { .fd = fd, .events = POLLIN } };

		if (poll(p, 2, -1) < 0 || p[0].revents != 0)
			return 0;
		if (p[1].revents != 0)
			serve(fd);
	}
}
