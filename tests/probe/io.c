/* Moving bytes: flags, vectors, blocking, limits, queue lengths. */
#include <linux/sockios.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "probe.h"

PROBE(io, roundtrip)
{
	struct pair p;

	make_pair(&p);
	out_rc("write", write_pattern(p.client, 5000));
	out_rc("read", read_pattern(p.server, 5000));
	out_rc("write", write_pattern(p.server, 5000));
	out_rc("read", read_pattern(p.client, 5000));
}

static void *
write_much(void *arg)
{
	long n = write_pattern(*(int *)arg, 3000000);

	shutdown(*(int *)arg, SHUT_WR);
	return (void *)n;
}

PROBE(io, three_megabytes_both_ways)
{
	struct pair p;
	pthread_t a, b;
	void *na, *nb;

	make_pair(&p);
	pthread_create(&a, NULL, write_much, &p.client);
	out_rc("read", read_pattern(p.server, 4000000));
	pthread_join(a, &na);
	pthread_create(&b, NULL, write_much, &p.server);
	out_rc("read", read_pattern(p.client, 4000000));
	pthread_join(b, &nb);
	out(" wrote=%ld,%ld", (long)na, (long)nb);
}

PROBE(io, empty_reads_and_writes)
{
	struct pair p;
	char c;

	make_pair(&p);
	out_rc("send0", send(p.client, "", 0, 0));
	out_rc("write0", write(p.client, "", 0));
	out_events("poll", events_later(p.server));
	out_rc("recv0", recv(p.server, &c, 0, MSG_DONTWAIT));
	out_rc("read0", read(p.server, &c, 0));
	out_rc("null0", recv(p.server, NULL, 0, MSG_DONTWAIT));
	out_rc("nonblock", recv(p.server, &c, 1, MSG_DONTWAIT));
}

PROBE(io, peek)
{
	struct pair p;
	char buf[8] = "";

	make_pair(&p);
	send(p.client, "abcd", 4, 0);
	events_until(p.server, POLLIN);
	out_rc("peek", recv(p.server, buf, 2, MSG_PEEK));
	out("%.2s", buf);
	out_rc("peek", recv(p.server, buf, 8, MSG_PEEK));
	out_rc("recv", recv(p.server, buf, 8, 0));
	out("%.4s", buf);
}

PROBE(io, truncate_discards)
{
	struct pair p;
	char buf[8] = "....";

	make_pair(&p);
	send(p.client, "abcdefgh", 8, 0);
	events_until(p.server, POLLIN);
	out_rc("trunc", recv(p.server, buf, 4, MSG_TRUNC));
	out(" %.4s", buf);
	out_rc("null", recv(p.server, NULL, 2, MSG_TRUNC));
	out_rc("rest", recv(p.server, buf, 8, 0));
	out(" %.2s", buf);
	out_rc("none", recv(p.server, buf, 8, MSG_TRUNC | MSG_DONTWAIT));
}

PROBE(io, waitall)
{
	struct pair p;
	char buf[10];

	make_pair(&p);
	if (fork() == 0) {
		send(p.client, "12345", 5, 0);
		settle();
		send(p.client, "67890", 5, 0);
		_exit(0);
	}
	out_rc("recv", recv(p.server, buf, 10, MSG_WAITALL));
}

PROBE(io, waitall_eof)
{
	struct pair p;
	char buf[10];

	make_pair(&p);
	send(p.client, "12345", 5, 0);
	shutdown(p.client, SHUT_WR);
	out_rc("recv", recv(p.server, buf, 10, MSG_WAITALL));
}

PROBE(io, vectors)
{
	struct pair p;
	char a[3], b[5];
	struct iovec w[2] = { { (char[]){ "abc" }, 3 }, { (char[]){ "defgh" }, 5 } }, r[2] = { { a, 3 }, { b, 5 } };

	make_pair(&p);
	out_rc("writev", writev(p.client, w, 2));
	events_until(p.server, POLLIN);
	out_rc("readv", readv(p.server, r, 2));
	out(" %.3s%.5s", a, b);
}

PROBE(io, sendto_with_address)
{
	struct sockaddr_storage ss;
	struct pair p;
	socklen_t len;

	make_pair(&p);
	len = loopback(&ss, 9);
	out_rc("sendto", sendto(p.client, "x", 1, 0, (struct sockaddr *)&ss, len));
	out_rc("read", read(p.server, (char[4]){ 0 }, 4));
}

PROBE(io, recvfrom_no_address)
{
	struct sockaddr_storage ss;
	struct pair p;
	socklen_t len = sizeof(ss);
	char c;

	make_pair(&p);
	memset(&ss, 0xee, sizeof(ss));
	send(p.client, "x", 1, 0);
	out_rc("recvfrom", recvfrom(p.server, &c, 1, 0, (struct sockaddr *)&ss, &len));
	out(" len=%u family=%x", len, ss.ss_family);
}

PROBE(io, recvmsg_no_address)
{
	struct sockaddr_storage ss;
	struct pair p;
	char c, control[100];
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_name = &ss, .msg_namelen = sizeof(ss),
		.msg_control = control, .msg_controllen = sizeof(control) };

	make_pair(&p);
	send(p.client, "x", 1, 0);
	out_rc("recvmsg", recvmsg(p.server, &m, 0));
	out(" namelen=%u controllen=%zu flags=%x name=%d", m.msg_namelen, m.msg_controllen, (unsigned)m.msg_flags,
	    m.msg_name == &ss);
}

PROBE(io, many_messages)
{
	struct sockaddr_storage ss;
	struct pair p;
	char a[4] = "", b[4] = "";
	struct iovec w[2] = { { (char[]){ "abc" }, 3 }, { (char[]){ "def" }, 3 } }, r[2] = { { a, 3 }, { b, 3 } };
	struct mmsghdr s[2] = { { .msg_hdr = { .msg_iov = &w[0], .msg_iovlen = 1 } }, { .msg_hdr = { .msg_iov = &w[1], .msg_iovlen = 1 } } };
	struct mmsghdr g[2] = { { .msg_hdr = { .msg_iov = &r[0], .msg_iovlen = 1, .msg_name = &ss, .msg_namelen = sizeof(ss) } },
		{ .msg_hdr = { .msg_iov = &r[1], .msg_iovlen = 1 } } };

	make_pair(&p);
	out_rc("sendmmsg", sendmmsg(p.client, s, 2, 0));
	out(",%u,%u", s[0].msg_len, s[1].msg_len);
	settle();
	out_rc("recvmmsg", recvmmsg(p.server, g, 2, 0, NULL));
	out(",%u,%u %s%s namelen=%u", g[0].msg_len, g[1].msg_len, a, b, g[0].msg_hdr.msg_namelen);
}

PROBE(io, descriptors_do_not_travel)
{
	struct pair p;
	union { struct cmsghdr h; char buf[CMSG_SPACE(sizeof(int))]; } out_c = { 0 }, in_c;
	char c = 'x';
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &out_c, .msg_controllen = sizeof(out_c) };

	make_pair(&p);
	out_c.h.cmsg_level = SOL_SOCKET;
	out_c.h.cmsg_type = SCM_RIGHTS;
	out_c.h.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&out_c.h), &p.listener, sizeof(int));
	out_rc("sendmsg", sendmsg(p.client, &m, 0));
	m.msg_control = &in_c;
	m.msg_controllen = sizeof(in_c);
	out_rc("recvmsg", recvmsg(p.server, &m, 0));
	out(" control=%zu flags=%x", m.msg_controllen, (unsigned)m.msg_flags);
}

PROBE(io, error_queue)
{
	struct pair p;
	char c;

	make_pair(&p);
	send(p.client, "x", 1, 0);
	events_until(p.server, POLLIN);
	out_rc("errqueue", recv(p.server, &c, 1, MSG_ERRQUEUE | MSG_DONTWAIT));
	out_rc("recv", recv(p.server, &c, 1, 0));
}

PROBE(io, queue_lengths)
{
	struct pair p;
	int n = -1;

	make_pair(&p);
	send(p.client, "abc", 3, 0);
	events_until(p.server, POLLIN);
	settle();
	out_rc("fionread", ioctl(p.server, FIONREAD, &n));
	out(":%d", n);
	out_rc("outq", ioctl(p.client, SIOCOUTQ, &n));
	out(":%d", n);
	out_rc("outqnsd", ioctl(p.client, SIOCOUTQNSD, &n));
	out(":%d", n);
	out_rc("atmark", ioctl(p.server, SIOCATMARK, &n));
	out(":%d", n);
	out_rc("listener-inq", ioctl(p.listener, FIONREAD, &n));
	out_rc("listener-outq", ioctl(p.listener, SIOCOUTQ, &n));
	out_rc("tcgets", ioctl(p.client, 0x5401, &n));
	out(" isatty=%d", isatty(p.client));
}

PROBE(io, more)
{
	struct pair p;
	char buf[8];

	make_pair(&p);
	out_rc("more", send(p.client, "ab", 2, MSG_MORE));
	out_rc("last", send(p.client, "c", 1, 0));
	events_until(p.server, POLLIN);
	settle();
	out_rc("read", read(p.server, buf, 8));
}

PROBE(io, cork)
{
	struct pair p;
	int on = 1, off = 0;

	make_pair(&p);
	setsockopt(p.client, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
	send(p.client, "ab", 2, 0);
	out_events("corked", events_later(p.server));
	setsockopt(p.client, IPPROTO_TCP, TCP_CORK, &off, sizeof(off));
	out_events("open", events_until(p.server, POLLIN));
}

PROBE(io, receive_timeout)
{
	struct timeval tv = { 0, 100000 };
	struct pair p;
	char c;

	make_pair(&p);
	setsockopt(p.client, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	out_rc("recv", recv(p.client, &c, 1, 0));
	out_rc("read", read(p.client, &c, 1));
}

PROBE(io, send_timeout)
{
	struct timeval tv = { 0, 200000 };
	struct pair p;
	static char big[1 << 20];
	long n;

	make_pair(&p);
	setsockopt(p.client, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	while ((n = send(p.client, big, sizeof(big), 0)) > 0)
		;
	out_rc("send", n);
}

PROBE(io, back_pressure)
{
	struct pair p;
	static char big[1 << 16];
	long total = 0, got = 0;
	ssize_t n;

	make_pair(&p);
	set_nonblock(p.client);
	for (int quiet = 0; quiet < 20;) {
		n = send(p.client, big, sizeof(big), 0);
		if (n < 0) {
			quiet++;
			usleep(20000);
		} else {
			total += n;
			quiet = 0;
		}
		if (total > 64 << 20)
			break;
	}
	out(" bounded=%d", total < 64 << 20);
	out_rc("full", send(p.client, big, 1, 0));
	out_events("poll", events_now(p.client));
	shutdown(p.client, SHUT_WR);
	while ((n = read(p.server, big, sizeof(big))) > 0)
		got += n;
	out(" all=%d", got == total);
}

PROBE(io, low_water_mark)
{
	struct pair p;
	int mark = 100;
	char buf[200];

	make_pair(&p);
	setsockopt(p.server, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof(mark));
	send(p.client, buf, 10, 0);
	out_events("ten", events_later(p.server));
	send(p.client, buf, 100, 0);
	out_events("enough", events_until(p.server, POLLIN));
	settle();
	out_rc("read", read(p.server, buf, 200));
}

PROBE(io, sendfile)
{
	struct pair p;
	int fd = memfd_create("probe", 0);
	off_t at = 0;

	make_pair(&p);
	write_pattern(p.client, 1000);
	out_rc("read", read_pattern(p.server, 1000));
	ftruncate(fd, 5000);
	out_rc("sendfile", sendfile(p.client, fd, &at, 5000));
	out(" at=%ld", (long)at);
	shutdown(p.client, SHUT_WR);
	long n = 0, r;
	char buf[4096];

	while ((r = read(p.server, buf, sizeof(buf))) > 0)
		n += r;
	out(" got=%ld", n);
}

PROBE(io, splice)
{
	struct pair p;
	int fd[2];
	char buf[100];

	make_pair(&p);
	pipe(fd);
	write(fd[1], buf, 100);
	out_rc("in", splice(fd[0], NULL, p.client, NULL, 100, 0));
	events_until(p.server, POLLIN);
	out_rc("out", splice(p.server, NULL, fd[1], NULL, 100, 0));
	out_rc("pipe", read(fd[0], buf, 100));
}

PROBE(io, stdio)
{
	struct pair p;
	char line[64];
	FILE *in, *outf;

	make_pair(&p);
	outf = fdopen(p.client, "w");
	in = fdopen(p.server, "r");
	fprintf(outf, "first line\nsecond\n");
	fflush(outf);
	out_rc("gets", fgets(line, sizeof(line), in) != NULL);
	line[strcspn(line, "\n")] = '\0';
	out(" '%s'", line);
	fprintf(outf, "rest");
	fclose(outf);
	out_rc("gets", fgets(line, sizeof(line), in) != NULL);
	out_rc("rest", fgets(line, sizeof(line), in) != NULL);
	out(" '%s' eof=%d", line, fgetc(in) == EOF);
}

PROBE(io, seek_and_stat)
{
	struct pair p;

	make_pair(&p);
	out_rc("lseek", lseek(p.client, 0, SEEK_CUR));
	out_rc("pread", pread(p.client, (char[1]){ 0 }, 1, 0));
	out_rc("fsync", fsync(p.client));
	out_rc("ftruncate", ftruncate(p.client, 0));
}

PROBE(io, map)
{
	struct pair p;

	make_pair(&p);
	out(" failed=%d", mmap(NULL, 4096, PROT_READ, MAP_SHARED, p.client, 0) == MAP_FAILED);
}

PROBE(io, bad_buffers)
{
	struct pair p;

	make_pair(&p);
	out_rc("send", send(p.client, (void *)(uintptr_t)8, 4, MSG_NOSIGNAL));
	send(p.client, "abcd", 4, 0);
	events_until(p.server, POLLIN);
	out_rc("recv", recv(p.server, (void *)(uintptr_t)8, 4, 0));
	out_rc("again", recv(p.server, (char[4]){ 0 }, 4, 0));
}

static void *
read_for_ever(void *arg)
{
	char c;

	read(*(int *)arg, &c, 1);
	return NULL;
}

PROBE(io, cancelled_read)
{
	struct pair p;
	void *how = NULL;
	pthread_t t;

	make_pair(&p);
	pthread_create(&t, NULL, read_for_ever, &p.client);
	settle();
	pthread_cancel(t);
	pthread_join(t, &how);
	out(" cancelled=%d", how == PTHREAD_CANCELED);
}

PROBE(io, interrupted_recv)
{
	struct itimerval it = { .it_value = { 0, 100000 } };
	struct pair p;
	char c;

	make_pair(&p);
	count_signals(SIGALRM, 0);
	setitimer(ITIMER_REAL, &it, NULL);
	out_rc("recv", recv(p.client, &c, 1, 0));
	setitimer(ITIMER_REAL, &it, NULL);
	out_rc("poll", poll(&(struct pollfd){ .fd = p.client, .events = POLLIN }, 1, 2000));
	out(" signals=%d", (int)signals_seen);
}

PROBE(io, sigio)
{
	struct pair p;

	make_pair(&p);
	count_signals(SIGIO, 0);
	fcntl(p.server, F_SETOWN, getpid());
	fcntl(p.server, F_SETFL, O_RDWR | O_ASYNC);
	signals_seen = 0;
	send(p.client, "x", 1, 0);
	events_until(p.server, POLLIN);
	out(" signal=%d", signals_seen > 0);
}

PROBE(io, out_of_band)
{
	struct pair p;
	char c = 0;
	int mark = -1;

	make_pair(&p);
	count_signals(SIGURG, 0);
	fcntl(p.server, F_SETOWN, getpid());
	out_rc("send", send(p.client, "u", 1, MSG_OOB));
	out_events("poll", events_until(p.server, POLLPRI));
	ioctl(p.server, SIOCATMARK, &mark);
	out(" mark=%d urg=%d", mark, (int)signals_seen);
	out_rc("recv", recv(p.server, &c, 1, MSG_OOB | MSG_DONTWAIT));
	out(" '%c'", c ? c : '.');
}

PROBE(io, nodelay_order)
{
	struct pair p;
	int one = 1;
	char buf[300];
	long n = 0, r;

	make_pair(&p);
	setsockopt(p.client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	for (int i = 0; i < 200; i++)
		send(p.client, &(char){ (char)i }, 1, 0);
	shutdown(p.client, SHUT_WR);
	bool right = true;

	while ((r = read(p.server, buf, sizeof(buf))) > 0) {
		for (long i = 0; i < r; i++)
			right = right && buf[i] == (char)(n + i);
		n += r;
	}
	out(" n=%ld right=%d", n, right);
}
