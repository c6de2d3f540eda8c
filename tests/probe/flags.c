/* Flags of send and receive in combination, strange messages, control data, vectors. */
#include <limits.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "probe.h"

static char buf[1 << 16];

/* A pair with "abcdefgh" waiting at the server. */
static void
pair_with_eight(struct pair *p)
{
	make_pair(p);
	send(p->client, "abcdefgh", 8, 0);
	events_until(p->server, POLLIN);
	settle();
}

static void
out_recv(const char *label, int fd, size_t len, int flags)
{
	long n;

	memset(buf, '.', sizeof(buf));
	n = recv(fd, buf, len, flags);
	out_rc(label, n);
	if (n > 0)
		out(",%.*s", (int)(n < 16 ? n : 16), buf);
}

PROBE(flag, peek_then_read_all)
{
	struct pair p;

	pair_with_eight(&p);
	out_recv("peek", p.server, 100, MSG_PEEK);
	out_recv("peek", p.server, 3, MSG_PEEK | MSG_DONTWAIT);
	out_recv("read", p.server, 3, 0);
	out_recv("peek", p.server, 100, MSG_PEEK);
	out_recv("read", p.server, 100, MSG_DONTWAIT);
	out_recv("peek", p.server, 100, MSG_PEEK | MSG_DONTWAIT);
}

PROBE(flag, peek_waitall)
{
	struct timeval tv = { 0, 100000 };
	struct pair p;

	pair_with_eight(&p);
	out_recv("enough", p.server, 8, MSG_PEEK | MSG_WAITALL);
	setsockopt(p.server, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	out_recv("short", p.server, 20, MSG_WAITALL);
	out_recv("none", p.server, 20, MSG_WAITALL);
}

PROBE(flag, peek_truncate)
{
	struct pair p;

	pair_with_eight(&p);
	out_rc("peek", recv(p.server, buf, 4, MSG_PEEK | MSG_TRUNC));
	out_recv("read", p.server, 100, 0);
}

PROBE(flag, peek_offset)
{
	struct pair p;
	int at = 2;
	socklen_t len = sizeof(at);

	pair_with_eight(&p);
	out_rc("set", setsockopt(p.server, SOL_SOCKET, SO_PEEK_OFF, &at, sizeof(at)));
	out_recv("peek", p.server, 3, MSG_PEEK);
	out_recv("peek", p.server, 100, MSG_PEEK);
	getsockopt(p.server, SOL_SOCKET, SO_PEEK_OFF, &at, &len);
	out(" at=%d", at);
	out_recv("read", p.server, 4, 0);
	getsockopt(p.server, SOL_SOCKET, SO_PEEK_OFF, &at, &len);
	out(" at=%d", at);
	out_recv("peek", p.server, 100, MSG_PEEK | MSG_DONTWAIT);
}

PROBE(flag, peek_across_packets)
{
	struct pair p;

	make_pair(&p);
	for (int i = 0; i < 5; i++) {
		send(p.client, &"vwxyz"[i], 1, 0);
		settle();
	}
	out_recv("peek", p.server, 100, MSG_PEEK);
	out_recv("peek", p.server, 2, MSG_PEEK);
	out_recv("read", p.server, 2, 0);
	out_recv("peek", p.server, 100, MSG_PEEK);
}

PROBE(flag, waitall_dontwait)
{
	struct pair p;

	pair_with_eight(&p);
	out_recv("both", p.server, 100, MSG_WAITALL | MSG_DONTWAIT);
	out_recv("empty", p.server, 100, MSG_WAITALL | MSG_DONTWAIT);
}

PROBE(flag, waitall_nonblocking)
{
	struct pair p;

	pair_with_eight(&p);
	set_nonblock(p.server);
	out_recv("all", p.server, 100, MSG_WAITALL);
}

PROBE(flag, waitall_truncate)
{
	struct pair p;

	pair_with_eight(&p);
	out_rc("discard", recv(p.server, NULL, 5, MSG_WAITALL | MSG_TRUNC));
	out_recv("rest", p.server, 100, 0);
}

PROBE(flag, waitall_reset)
{
	struct linger l = { 1, 0 };
	struct pair p;

	pair_with_eight(&p);
	if (fork() == 0) {
		close(p.server);
		usleep(100000);
		setsockopt(p.client, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
		close(p.client);
		_exit(0);
	}
	close(p.client);
	out_rc("waitall", recv(p.server, buf, 100, MSG_WAITALL));
	out_rc("next", recv(p.server, buf, 100, 0));
	out_rc("last", recv(p.server, buf, 100, 0));
}

PROBE(flag, dontwait)
{
	struct pair p;

	make_pair(&p);
	out_rc("recv", recv(p.server, buf, 1, MSG_DONTWAIT));
	out_rc("send", send(p.client, "x", 1, MSG_DONTWAIT));
	fill(p.client);
	out_rc("full", send(p.client, "x", 1, MSG_DONTWAIT));
	out(" blocking=%d", !(fcntl(p.client, F_GETFL) & O_NONBLOCK));
}

PROBE(flag, ignored_when_sending)
{
	static const int flags[] = { MSG_EOR, MSG_CONFIRM, MSG_DONTROUTE, MSG_NOSIGNAL, MSG_MORE, MSG_PROXY, MSG_CTRUNC, MSG_TRUNC,
		MSG_PEEK, MSG_WAITALL, MSG_SYN, MSG_RST, MSG_ERRQUEUE, MSG_WAITFORONE };
	struct pair p;

	make_pair(&p);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		out_rc("send", send(p.client, "x", 1, flags[i]));
	settle();
	settle();
	out_rc("probe", ioctl(p.server, FIONREAD, &(int){ 0 }));
	shutdown(p.client, SHUT_WR);
	out_recv("recv", p.server, 100, MSG_WAITALL);
}

PROBE(flag, ignored_when_receiving)
{
	static const int flags[] = { MSG_EOR, MSG_CONFIRM, MSG_DONTROUTE, MSG_NOSIGNAL, MSG_MORE, MSG_CMSG_CLOEXEC, MSG_WAITFORONE };
	struct pair p;

	pair_with_eight(&p);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		out_recv("recv", p.server, 1, flags[i]);
}

PROBE(flag, more_then_close)
{
	struct pair p;

	make_pair(&p);
	out_rc("more", send(p.client, "held", 4, MSG_MORE));
	close(p.client);
	out_rc("read", recv(p.server, buf, 100, MSG_WAITALL));
}

PROBE(flag, more_then_shutdown)
{
	struct pair p;

	make_pair(&p);
	out_rc("more", send(p.client, "held", 4, MSG_MORE));
	shutdown(p.client, SHUT_WR);
	out_rc("read", recv(p.server, buf, 100, MSG_WAITALL));
}

PROBE(flag, more_leaves_by_itself)
{
	struct pair p;

	make_pair(&p);
	out_rc("more", send(p.client, "held", 4, MSG_MORE));
	out_events("later", events_until(p.server, POLLIN));
	out_rc("read", recv(p.server, buf, 100, 0));
}

PROBE(flag, cork_then_close)
{
	struct pair p;
	int on = 1;

	make_pair(&p);
	setsockopt(p.client, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
	send(p.client, "held", 4, 0);
	close(p.client);
	out_rc("read", recv(p.server, buf, 100, MSG_WAITALL));
}

PROBE(flag, cork_lets_full_segments_go)
{
	struct pair p;
	int on = 1;

	make_pair(&p);
	setsockopt(p.client, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
	out_rc("write", write_pattern(p.client, 1000000 < sizeof(buf) ? 1000000 : 200000));
	out_events("some", events_until(p.server, POLLIN));
	on = 0;
	setsockopt(p.client, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
	out_rc("read", read_pattern(p.server, 200000));
}

PROBE(flag, zero_copy_not_asked_for)
{
	struct pair p;

	make_pair(&p);
	out_rc("send", send(p.client, "x", 1, MSG_ZEROCOPY));
	out_recv("recv", p.server, 1, 0);
}

PROBE(flag, fast_open_when_connected)
{
	struct sockaddr_storage ss;
	struct pair p;
	socklen_t len;

	make_pair(&p);
	len = loopback(&ss, port_of(p.listener));
	out_rc("send", send(p.client, "x", 1, MSG_FASTOPEN));
	out_rc("sendto", sendto(p.client, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&ss, len));
}

PROBE(flag, fast_open_fresh)
{
	int fd = tcp_socket();

	out_rc("send", send(fd, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL));
	out_rc("plain", send(fd, "x", 1, MSG_NOSIGNAL));
}

static long
send_vector(int fd, struct iovec *iov, size_t n)
{
	return sendmsg(fd, &(struct msghdr){ .msg_iov = iov, .msg_iovlen = n }, MSG_NOSIGNAL);
}

PROBE(message, strange_vectors)
{
	struct iovec many[UIO_MAXIOV + 1], none = { NULL, 0 }, huge = { buf, (size_t)-1 }, bad = { (void *)8, 4 };
	struct pair p;
	char m = 'm';

	for (size_t i = 0; i <= UIO_MAXIOV; i++)
		many[i] = (struct iovec){ &m, 1 };
	make_pair(&p);
	out_rc("sendmsg0", send_vector(p.client, NULL, 0));
	out_rc("empty", send_vector(p.client, &none, 1));
	out_rc("huge", send_vector(p.client, &huge, 1));
	out_rc("bad", send_vector(p.client, &bad, 1));
	out_rc("max", send_vector(p.client, many, UIO_MAXIOV));
	out_rc("over", send_vector(p.client, many, UIO_MAXIOV + 1));
	out_rc("writev0", writev(p.client, many, 0));
	out_rc("writev-over", writev(p.client, many, UIO_MAXIOV + 1));
	out_rc("null", sendmsg(p.client, NULL, 0));
	shutdown(p.client, SHUT_WR);
	out_rc("read", recv(p.server, buf, sizeof(buf), MSG_WAITALL));
}

PROBE(message, receive_strange_vectors)
{
	struct iovec none = { NULL, 0 }, bad = { (void *)8, 4 };
	struct msghdr m = { 0 };
	struct pair p;

	pair_with_eight(&p);
	out_rc("recvmsg0", recvmsg(p.server, &m, MSG_DONTWAIT));
	m.msg_iov = &none;
	m.msg_iovlen = 1;
	out_rc("empty", recvmsg(p.server, &m, MSG_DONTWAIT));
	m.msg_iov = &bad;
	out_rc("bad", recvmsg(p.server, &m, MSG_DONTWAIT));
	m.msg_iovlen = UIO_MAXIOV + 1;
	out_rc("over", recvmsg(p.server, &m, MSG_DONTWAIT));
	out_rc("null", recvmsg(p.server, NULL, 0));
	out_recv("read", p.server, 100, 0);
}

PROBE(message, control_when_sending)
{
	union { struct cmsghdr h; char space[128]; } c = { 0 };
	struct iovec iov = { (char[]){ "x" }, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c };
	struct pair p;

	make_pair(&p);
	c.h = (struct cmsghdr){ .cmsg_len = CMSG_LEN(4), .cmsg_level = SOL_SOCKET, .cmsg_type = 9999 };
	m.msg_controllen = CMSG_SPACE(4);
	out_rc("unknown", sendmsg(p.client, &m, MSG_NOSIGNAL));
	c.h.cmsg_level = 9999;
	out_rc("level", sendmsg(p.client, &m, MSG_NOSIGNAL));
	c.h = (struct cmsghdr){ .cmsg_len = 3, .cmsg_level = SOL_SOCKET, .cmsg_type = SO_MARK };
	out_rc("short", sendmsg(p.client, &m, MSG_NOSIGNAL));
	c.h = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(struct ucred)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_CREDENTIALS };
	m.msg_controllen = CMSG_SPACE(sizeof(struct ucred));
	out_rc("credentials", sendmsg(p.client, &m, MSG_NOSIGNAL));
	c.h = (struct cmsghdr){ .cmsg_len = CMSG_LEN(4), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
	*(int *)CMSG_DATA(&c.h) = 999;
	m.msg_controllen = CMSG_SPACE(4);
	out_rc("rights", sendmsg(p.client, &m, MSG_NOSIGNAL));
}

PROBE(message, control_bad_pointer)
{
	struct iovec iov = { (char[]){ "x" }, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = (void *)8, .msg_controllen = 32 };
	struct pair p;

	make_pair(&p);
	out_rc("send", sendmsg(p.client, &m, MSG_NOSIGNAL));
}

PROBE(message, timestamp)
{
	char control[200];
	struct iovec iov = { buf, 100 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct pair p;
	int on = 1;

	make_pair(&p);
	setsockopt(p.server, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof(on));
	settle(); /* the kernel begins to take times a little later */
	send(p.client, "x", 1, 0);
	events_until(p.server, POLLIN);
	out_rc("recv", recvmsg(p.server, &m, 0));
	out(" control=%zu", m.msg_controllen);
	if (m.msg_controllen >= sizeof(struct cmsghdr))
		out(",%d", CMSG_FIRSTHDR(&m)->cmsg_type);
}

PROBE(message, receive_many_with_timeout)
{
	struct iovec iov[3] = { { buf, 2 }, { buf + 2, 2 }, { buf + 4, 100 } };
	struct mmsghdr m[3] = { 0 };
	struct pair p;

	for (int i = 0; i < 3; i++)
		m[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
	pair_with_eight(&p);
	out_rc("recvmmsg", recvmmsg(p.server, m, 3, 0, &(struct timespec){ 5, 0 }));
	out(",%u,%u,%u", m[0].msg_len, m[1].msg_len, m[2].msg_len);
	out_rc("dontwait", recvmmsg(p.server, m, 3, MSG_DONTWAIT, NULL));
	send(p.client, "one", 3, 0);
	events_until(p.server, POLLIN);
	iov[0].iov_len = 100;
	out_rc("waitforone", recvmmsg(p.server, m, 3, MSG_WAITFORONE, NULL));
	out(",%u", m[0].msg_len);
	out_rc("zero", recvmmsg(p.server, m, 0, 0, NULL));
	out_rc("badtime", recvmmsg(p.server, m, 1, 0, &(struct timespec){ 0, 2000000000 }));
}

PROBE(message, send_many_partly)
{
	struct iovec good = { (char[]){ "good" }, 4 }, bad = { (void *)8, 4 };
	struct mmsghdr m[3] = { { .msg_hdr = { .msg_iov = &good, .msg_iovlen = 1 } }, { .msg_hdr = { .msg_iov = &bad, .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = &good, .msg_iovlen = 1 } } };
	struct pair p;

	make_pair(&p);
	out_rc("sendmmsg", sendmmsg(p.client, m, 3, 0));
	out_rc("again", sendmmsg(p.client, m + 1, 2, 0));
	out_rc("zero", sendmmsg(p.client, m, 0, 0));
	shutdown(p.client, SHUT_WR);
	out_recv("recv", p.server, 100, MSG_WAITALL);
	out_rc("closed", sendmmsg(p.client, m, 1, MSG_NOSIGNAL));
}

PROBE(message, positioned_and_flagged)
{
	struct iovec iov = { buf, 4 };
	struct pair p;

	pair_with_eight(&p);
	out_rc("preadv", preadv(p.server, &iov, 1, 0));
	out_rc("pwritev", pwritev(p.client, &iov, 1, 0));
	out_rc("pwrite", pwrite(p.client, buf, 4, 0));
	out_rc("preadv2", preadv2(p.server, &iov, 1, -1, 0));
	out_rc("nowait", preadv2(p.server, &iov, 1, -1, RWF_NOWAIT));
	out_rc("empty", preadv2(p.server, &iov, 1, -1, RWF_NOWAIT));
	out_rc("pwritev2", pwritev2(p.client, &iov, 1, -1, 0));
}

PROBE(message, lengths)
{
	struct pair p;

	make_pair(&p);
	out_rc("null", send(p.client, NULL, 4, MSG_NOSIGNAL));
	out_rc("null0", send(p.client, NULL, 0, MSG_NOSIGNAL));
	out_rc("read-null", read(p.server, NULL, 0));
	out_rc("write-null", write(p.client, NULL, 0));
	out_rc("recv-minus", recv(p.server, buf, (size_t)-1, MSG_DONTWAIT));
	out_rc("bad-fd", send(-1, buf, 1, 0));
	out_rc("pipe", send(STDOUT_FILENO, buf, 1, 0));
	out_rc("recvfrom", recvfrom(p.server, buf, 1, MSG_DONTWAIT, (struct sockaddr *)buf, NULL));
}
