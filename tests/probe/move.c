/* Bytes that move without send and recv: sendfile, splice, tee, vmsplice, stdio, io_uring, copies between sockets. */
#include <linux/io_uring.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "probe.h"

static char buf[1 << 16];

static int
file_of(size_t n)
{
	int fd = memfd_create("probe", 0);

	ftruncate(fd, (off_t)n);
	return fd;
}

static long
count_to_end(int fd)
{
	long total = 0;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		total += n;
	return n < 0 ? -1 : total;
}

static void *
count_thread(void *arg)
{
	return (void *)count_to_end(*(int *)arg);
}

PROBE(move, sendfile_large)
{
	struct pair p;
	int fd = file_of(5000000);
	long sent = 0, n;
	pthread_t t;
	void *got;

	make_pair(&p);
	pthread_create(&t, NULL, count_thread, &p.server);
	while ((n = sendfile(p.client, fd, NULL, 1 << 20)) > 0)
		sent += n;
	shutdown(p.client, SHUT_WR);
	pthread_join(t, &got);
	out(" sent=%ld got=%ld last=%ld", sent, (long)got, n);
}

PROBE(move, sendfile_nonblocking)
{
	struct pair p;
	int fd = file_of(40 << 20);
	off_t at = 0;
	long n;

	make_pair(&p);
	set_nonblock(p.client);
	n = sendfile(p.client, fd, &at, 40 << 20);
	out(" part=%d at=%d", n > 0 && n < 40 << 20, at == n);
	fill(p.client);
	out_rc("full", sendfile(p.client, fd, &at, 100));
}

PROBE(move, sendfile_wrong)
{
	struct pair p, q;
	int fd = file_of(1000);

	make_pair(&p);
	make_pair(&q);
	write_pattern(p.client, 100);
	events_until(p.server, POLLIN);
	out_rc("from-socket", sendfile(q.client, p.server, NULL, 100));
	out_rc("into-file", sendfile(fd, p.server, NULL, 100));
	out_rc("beyond", sendfile(p.client, fd, &(off_t){ 1000 }, 100));
	out_rc("negative", sendfile(p.client, fd, &(off_t){ -1 }, 100));
	shutdown(p.client, SHUT_WR);
	count_signals(SIGPIPE, 0);
	out_rc("closed", sendfile(p.client, fd, NULL, 100));
	out(" signals=%d", (int)signals_seen);
}

PROBE(move, splice_between_sockets)
{
	struct pair p, q;
	int fd[2];

	make_pair(&p);
	make_pair(&q);
	pipe(fd);
	write_pattern(p.client, 3000);
	shutdown(p.client, SHUT_WR);
	for (;;) {
		long n = splice(p.server, NULL, fd[1], NULL, 65536, SPLICE_F_MOVE);

		if (n <= 0)
			break;
		while (n > 0)
			n -= splice(fd[0], NULL, q.client, NULL, (size_t)n, SPLICE_F_MORE);
	}
	shutdown(q.client, SHUT_WR);
	out_rc("read", read_pattern(q.server, 4000));
	out_rc("end", splice(p.server, NULL, fd[1], NULL, 100, 0));
}

PROBE(move, splice_nonblocking)
{
	struct pair p;
	int fd[2];

	make_pair(&p);
	pipe(fd);
	set_nonblock(p.server);
	out_rc("mode", splice(p.server, NULL, fd[1], NULL, 100, 0));
	out_rc("offset", splice(p.server, &(off_t){ 0 }, fd[1], NULL, 100, 0));
	out_rc("sockets", splice(p.server, NULL, p.client, NULL, 100, 0));
}

/* The flag is about the pipe; TCP waits for data all the same. */
PROBE(move, splice_flag)
{
	struct itimerval it = { .it_value = { 0, 100000 } };
	struct pair p;
	int fd[2];

	make_pair(&p);
	pipe(fd);
	count_signals(SIGALRM, 0);
	setitimer(ITIMER_REAL, &it, NULL);
	out_rc("splice", splice(p.server, NULL, fd[1], NULL, 100, SPLICE_F_NONBLOCK));
}

PROBE(move, splice_full)
{
	struct pair p;
	int fd[2];

	make_pair(&p);
	pipe(fd);
	fill(p.client);
	set_nonblock(p.client);
	write(fd[1], buf, 100);
	out_rc("full", splice(fd[0], NULL, p.client, NULL, 100, SPLICE_F_NONBLOCK));
}

PROBE(move, splice_into_closed)
{
	struct pair p;
	int fd[2];

	make_pair(&p);
	pipe(fd);
	write(fd[1], buf, 100);
	shutdown(p.client, SHUT_WR);
	count_signals(SIGPIPE, 0);
	out_rc("splice", splice(fd[0], NULL, p.client, NULL, 100, 0));
	out(" signals=%d", (int)signals_seen);
}

PROBE(move, splice_reset)
{
	struct linger l = { 1, 0 };
	struct pair p;
	int fd[2];

	make_pair(&p);
	pipe(fd);
	setsockopt(p.client, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(p.client);
	events_until(p.server, POLLHUP);
	out_rc("splice", splice(p.server, NULL, fd[1], NULL, 100, 0));
	out_rc("again", splice(p.server, NULL, fd[1], NULL, 100, 0));
}

PROBE(move, tee)
{
	struct pair p;
	int a[2], b[2];

	make_pair(&p);
	pipe(a);
	pipe(b);
	send(p.client, "abcd", 4, 0);
	events_until(p.server, POLLIN);
	out_rc("splice", splice(p.server, NULL, a[1], NULL, 100, 0));
	out_rc("tee", tee(a[0], b[1], 100, 0));
	out_rc("a", read(a[0], buf, 100));
	out_rc("b", read(b[0], buf, 100));
	out_rc("socket", tee(p.server, b[1], 100, 0));
}

PROBE(move, vmsplice)
{
	struct iovec iov = { (char[]){ "pages" }, 5 };
	struct pair p;
	int fd[2];

	make_pair(&p);
	pipe(fd);
	out_rc("vmsplice", vmsplice(fd[1], &iov, 1, 0));
	out_rc("splice", splice(fd[0], NULL, p.client, NULL, 5, 0));
	out_rc("read", recv(p.server, buf, 5, MSG_WAITALL));
	out_rc("socket", vmsplice(p.client, &iov, 1, 0));
}

PROBE(move, copy_file_range)
{
	struct pair p;
	int fd = file_of(100);

	make_pair(&p);
	out_rc("in", copy_file_range(fd, NULL, p.client, NULL, 10, 0));
	out_rc("out", copy_file_range(p.server, NULL, fd, NULL, 10, 0));
}

PROBE(stdio, both_ways)
{
	struct pair p;
	char line[64];
	FILE *f;

	make_pair(&p);
	f = fdopen(p.client, "r+");
	setvbuf(f, NULL, _IOLBF, 0);
	out_rc("puts", fputs("question\n", f) >= 0);
	out_rc("server", recv(p.server, line, sizeof(line), 0));
	send(p.server, "answer\nmore", 11, 0);
	out_rc("gets", fgets(line, sizeof(line), f) != NULL);
	line[strcspn(line, "\n")] = '\0';
	out(" '%s'", line);
	out_rc("seek", fseek(f, 0, SEEK_CUR));
	shutdown(p.server, SHUT_WR);
	out_rc("gets", fgets(line, sizeof(line), f) != NULL);
	out(" '%s' eof=%d", line, feof(f) != 0);
	out_rc("close", fclose(f));
}

PROBE(stdio, unbuffered)
{
	struct pair p;
	FILE *f;

	make_pair(&p);
	f = fdopen(p.client, "w");
	setvbuf(f, NULL, _IONBF, 0);
	fputs("unbuffered", f);
	out_rc("read", recv(p.server, buf, 10, MSG_WAITALL));
	out_rc("dprintf", dprintf(p.client, "%d-%s", 17, "x"));
	out_rc("read", recv(p.server, buf, 4, MSG_WAITALL));
}

PROBE(stdio, reset)
{
	struct linger l = { 1, 0 };
	struct pair p;
	FILE *f;

	make_pair(&p);
	f = fdopen(p.server, "r");
	setsockopt(p.client, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(p.client);
	events_until(p.server, POLLHUP);
	errno = 0;
	out(" char=%d", fgetc(f));
	out(" error=%d errno=%s", ferror(f) != 0, strerrorname_np(errno));
}

PROBE(stdio, full_disk_like)
{
	struct pair p;
	FILE *f;

	make_pair(&p);
	count_signals(SIGPIPE, 0);
	f = fdopen(p.client, "w");
	shutdown(p.client, SHUT_WR);
	fputs("lost", f);
	out_rc("flush", fflush(f));
	out(" signals=%d", (int)signals_seen);
}

PROBE(stdio, getline_and_popen)
{
	struct pair p;
	char *line = NULL, command[64];
	size_t size = 0;
	FILE *f, *child;

	make_pair(&p);
	snprintf(command, sizeof(command), "echo from child >&%d", p.client);
	child = popen(command, "r");
	out_rc("pclose", pclose(child));
	f = fdopen(p.server, "r");
	out_rc("getline", getline(&line, &size, f));
	out(" %.10s", line);
}

/* --- io_uring, by system calls alone --- */

struct ring {
	int fd;
	unsigned *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

static bool
ring_open(struct ring *r)
{
	struct io_uring_params params = { 0 };
	char *sq, *cq;

	r->fd = (int)syscall(SYS_io_uring_setup, 8, &params);
	if (r->fd < 0) {
		out(" no io_uring");
		return false;
	}
	sq = mmap(NULL, params.sq_off.array + params.sq_entries * sizeof(unsigned), PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
	    IORING_OFF_SQ_RING);
	cq = mmap(NULL, params.cq_off.cqes + params.cq_entries * sizeof(*r->cqes), PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
	    IORING_OFF_CQ_RING);
	r->sqes = mmap(NULL, params.sq_entries * sizeof(*r->sqes), PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, IORING_OFF_SQES);
	r->sq_tail = (unsigned *)(sq + params.sq_off.tail);
	r->sq_mask = (unsigned *)(sq + params.sq_off.ring_mask);
	r->sq_array = (unsigned *)(sq + params.sq_off.array);
	r->cq_head = (unsigned *)(cq + params.cq_off.head);
	r->cq_tail = (unsigned *)(cq + params.cq_off.tail);
	r->cq_mask = (unsigned *)(cq + params.cq_off.ring_mask);
	r->cqes = (struct io_uring_cqe *)(cq + params.cq_off.cqes);
	return true;
}

static void
ring_submit(struct ring *r, uint8_t op, int fd, void *addr, unsigned len, unsigned flags)
{
	unsigned tail = *r->sq_tail, i = tail & *r->sq_mask;

	memset(&r->sqes[i], 0, sizeof(r->sqes[i]));
	r->sqes[i].opcode = op;
	r->sqes[i].fd = fd;
	r->sqes[i].addr = (uintptr_t)addr;
	r->sqes[i].len = len;
	r->sqes[i].msg_flags = flags;
	r->sq_array[i] = i;
	__atomic_store_n(r->sq_tail, tail + 1, __ATOMIC_RELEASE);
	syscall(SYS_io_uring_enter, r->fd, 1, 0, 0, NULL, 0);
}

static long
ring_wait(struct ring *r)
{
	long res;

	while (__atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE) == *r->cq_head)
		syscall(SYS_io_uring_enter, r->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0);
	res = r->cqes[*r->cq_head & *r->cq_mask].res;
	__atomic_store_n(r->cq_head, *r->cq_head + 1, __ATOMIC_RELEASE);
	if (res < 0) {
		errno = (int)-res;
		return -1;
	}
	return res;
}

PROBE(uring, send_and_receive)
{
	struct ring r;
	struct pair p;

	make_pair(&p);
	if (!ring_open(&r))
		return;
	ring_submit(&r, IORING_OP_SEND, p.client, (char[]){ "hello" }, 5, 0);
	out_rc("send", ring_wait(&r));
	ring_submit(&r, IORING_OP_RECV, p.server, buf, 5, MSG_WAITALL);
	out_rc("recv", ring_wait(&r));
	ring_submit(&r, IORING_OP_WRITE, p.client, (char[]){ "world" }, 5, 0);
	out_rc("write", ring_wait(&r));
	events_until(p.server, POLLIN);
	ring_submit(&r, IORING_OP_READ, p.server, buf, 100, 0);
	out_rc("read", ring_wait(&r));
	out(" %.5s", buf);
}

PROBE(uring, receive_before_send)
{
	struct ring r;
	struct pair p;

	make_pair(&p);
	if (!ring_open(&r))
		return;
	ring_submit(&r, IORING_OP_RECV, p.server, buf, 100, 0);
	settle();
	send(p.client, "late", 4, 0);
	out_rc("recv", ring_wait(&r));
	ring_submit(&r, IORING_OP_RECV, p.server, buf, 100, 0);
	close(p.client);
	out_rc("end", ring_wait(&r));
}

PROBE(uring, poll_and_close)
{
	struct ring r;
	struct pair p;

	make_pair(&p);
	if (!ring_open(&r))
		return;
	ring_submit(&r, IORING_OP_POLL_ADD, p.server, NULL, 0, POLLIN);
	settle();
	send(p.client, "x", 1, 0);
	out_rc("poll", ring_wait(&r));
	ring_submit(&r, IORING_OP_CLOSE, p.client, NULL, 0, 0);
	out_rc("close", ring_wait(&r));
	out_rc("read", recv(p.server, buf, 100, MSG_WAITALL));
}

PROBE(uring, shutdown)
{
	struct ring r;
	struct pair p;

	make_pair(&p);
	if (!ring_open(&r))
		return;
	ring_submit(&r, IORING_OP_SHUTDOWN, p.client, NULL, SHUT_WR, 0);
	out_rc("shutdown", ring_wait(&r));
	out_rc("read", recv(p.server, buf, 100, 0));
	ring_submit(&r, IORING_OP_SEND, p.client, buf, 5, MSG_NOSIGNAL);
	out_rc("send", ring_wait(&r));
}

PROBE(uring, reset)
{
	struct linger l = { 1, 0 };
	struct ring r;
	struct pair p;

	make_pair(&p);
	if (!ring_open(&r))
		return;
	ring_submit(&r, IORING_OP_RECV, p.server, buf, 100, 0);
	settle();
	setsockopt(p.client, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(p.client);
	out_rc("recv", ring_wait(&r));
}
