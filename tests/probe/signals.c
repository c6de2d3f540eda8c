/* Signals in the middle of every call that can block: interrupted without SA_RESTART, and what SA_RESTART does about it. */
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "probe.h"

#define SIGNAL_AFTER_US 60000
#define AGAIN_AFTER_US 100000

static char bulk[1 << 16];

/* What a call blocks on, and how another thread ends that. */
struct stage {
	struct pair p;
	int fd;           /* the call is made on it */
	int ep;
	int pipe[2];
	int file;
	void (*relieve)(struct stage *);
};

static void
relieve_reader(struct stage *s)
{
	send(s->p.server, "relief", 6, MSG_NOSIGNAL);
}

static void
relieve_writer(struct stage *s)
{
	drain(s->p.server);
}

static void
relieve_accept(struct stage *s)
{
	connect_to(tcp_socket(), port_of(s->fd));
}

static void
relieve_connect(struct stage *s)
{
	accept(s->p.listener, NULL, NULL);
}

static void
stage_reader(struct stage *s)
{
	make_pair(&s->p);
	s->fd = s->p.client;
	s->relieve = relieve_reader;
	s->ep = epoll_create1(0);
	epoll_ctl(s->ep, EPOLL_CTL_ADD, s->fd, &(struct epoll_event){ .events = EPOLLIN });
	pipe(s->pipe);
}

static void
stage_writer(struct stage *s)
{
	make_pair(&s->p);
	s->fd = s->p.client;
	s->relieve = relieve_writer;
	s->file = memfd_create("probe", 0);
	ftruncate(s->file, 100);
	pipe(s->pipe);
	write(s->pipe[1], bulk, 100);
	fill(s->fd);
}

static void
stage_accept(struct stage *s)
{
	s->fd = tcp_listener(5);
	s->relieve = relieve_accept;
}

static void
stage_connect(struct stage *s)
{
	s->p.listener = tcp_listener(0);
	connect_to(tcp_socket(), port_of(s->p.listener));
	events_until(s->p.listener, POLLIN);
	s->fd = tcp_socket();
	s->relieve = relieve_connect;
}

static long call_read(struct stage *s) { return read(s->fd, bulk, 100); }
static long call_readv(struct stage *s) { return readv(s->fd, &(struct iovec){ bulk, 100 }, 1); }
static long call_recv(struct stage *s) { return recv(s->fd, bulk, 100, 0); }
static long call_recvfrom(struct stage *s) { return recvfrom(s->fd, bulk, 100, 0, NULL, NULL); }
static long call_peek(struct stage *s) { return recv(s->fd, bulk, 100, MSG_PEEK); }
static long call_truncate(struct stage *s) { return recv(s->fd, bulk, 100, MSG_TRUNC); }
static long call_accept(struct stage *s) { return accept(s->fd, NULL, NULL) >= 0 ? 1 : -1; }
static long call_accept4(struct stage *s) { return accept4(s->fd, NULL, NULL, SOCK_NONBLOCK) >= 0 ? 1 : -1; }
static long call_connect(struct stage *s) { return connect_to(s->fd, port_of(s->p.listener)); }
static long call_write(struct stage *s) { return write(s->fd, bulk, 100); }
static long call_send(struct stage *s) { return send(s->fd, bulk, 100, 0); }
static long call_sendto(struct stage *s) { return sendto(s->fd, bulk, 100, 0, NULL, 0); }
static long call_writev(struct stage *s) { return writev(s->fd, &(struct iovec){ bulk, 100 }, 1); }
static long call_sendfile(struct stage *s) { return sendfile(s->fd, s->file, &(off_t){ 0 }, 100); }
static long call_splice_in(struct stage *s) { return splice(s->pipe[0], NULL, s->fd, NULL, 100, 0); }
static long call_splice_out(struct stage *s) { return splice(s->fd, NULL, s->pipe[1], NULL, 100, 0); }
static long call_poll(struct stage *s) { return poll(&(struct pollfd){ .fd = s->fd, .events = POLLIN }, 1, 5000); }
static long call_epoll_wait(struct stage *s) { return epoll_wait(s->ep, &(struct epoll_event){ 0 }, 1, 5000); }
static long call_epoll_pwait(struct stage *s) { return epoll_pwait(s->ep, &(struct epoll_event){ 0 }, 1, 5000, NULL); }

static long
call_recvmsg(struct stage *s)
{
	struct iovec iov = { bulk, 100 };

	return recvmsg(s->fd, &(struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1 }, 0);
}

static long
call_sendmsg(struct stage *s)
{
	struct iovec iov = { bulk, 100 };

	return sendmsg(s->fd, &(struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1 }, 0);
}

static long
call_recvmmsg(struct stage *s)
{
	struct iovec iov = { bulk, 100 };

	return recvmmsg(s->fd, &(struct mmsghdr){ .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } }, 1, 0, NULL);
}

static long
call_sendmmsg(struct stage *s)
{
	struct iovec iov = { bulk, 100 };

	return sendmmsg(s->fd, &(struct mmsghdr){ .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } }, 1, 0);
}

static long
call_ppoll(struct stage *s)
{
	return ppoll(&(struct pollfd){ .fd = s->fd, .events = POLLIN }, 1, &(struct timespec){ 5, 0 }, NULL);
}

static long
call_select(struct stage *s)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(s->fd, &set);
	return select(s->fd + 1, &set, NULL, NULL, &(struct timeval){ 5, 0 });
}

static long
call_pselect(struct stage *s)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(s->fd, &set);
	return pselect(s->fd + 1, &set, NULL, NULL, &(struct timespec){ 5, 0 }, NULL);
}

static long
call_epoll_pwait2(struct stage *s)
{
	return epoll_pwait2(s->ep, &(struct epoll_event){ 0 }, 1, &(struct timespec){ 5, 0 }, NULL);
}

static void *
relieve_later(void *arg)
{
	struct stage *s = arg;

	while (signals_seen == 0)
		usleep(10000);
	usleep(AGAIN_AFTER_US);
	s->relieve(s);
	return NULL;
}

static void
block(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(how, &set, NULL);
}

/* Again and again, for a call that had not begun yet. */
static void
ring(void)
{
	struct itimerval it = { .it_value = { 0, SIGNAL_AFTER_US }, .it_interval = { 0, 3 * AGAIN_AFTER_US } };

	setitimer(ITIMER_REAL, &it, NULL);
}

static void
interrupted(void (*prepare)(struct stage *), long (*call)(struct stage *))
{
	static struct stage s;
	long n;

	prepare(&s);
	count_signals(SIGALRM, 0);
	ring();
	n = call(&s);
	out_rc("rc", n);
	out(" signalled=%d", signals_seen > 0);
}

static void
restarted(void (*prepare)(struct stage *), long (*call)(struct stage *))
{
	static struct stage s; /* the thread may look at it later than the call returns */
	pthread_t t;
	long n;

	prepare(&s);
	count_signals(SIGALRM, SA_RESTART);
	block(SIG_BLOCK);
	pthread_create(&t, NULL, relieve_later, &s);
	block(SIG_UNBLOCK);
	ring();
	n = call(&s);
	out_rc("rc", n);
	out(" signalled=%d", signals_seen > 0);
}

#define SIGNAL_PROBES(call, prepare) \
	PROBE(interrupted, call) { interrupted(prepare, call_##call); } \
	PROBE(restarted, call) { restarted(prepare, call_##call); }

SIGNAL_PROBES(read, stage_reader)
SIGNAL_PROBES(readv, stage_reader)
SIGNAL_PROBES(recv, stage_reader)
SIGNAL_PROBES(recvfrom, stage_reader)
SIGNAL_PROBES(recvmsg, stage_reader)
SIGNAL_PROBES(recvmmsg, stage_reader)
SIGNAL_PROBES(peek, stage_reader)
SIGNAL_PROBES(truncate, stage_reader)
SIGNAL_PROBES(splice_out, stage_reader)
SIGNAL_PROBES(poll, stage_reader)
SIGNAL_PROBES(ppoll, stage_reader)
SIGNAL_PROBES(select, stage_reader)
SIGNAL_PROBES(pselect, stage_reader)
SIGNAL_PROBES(epoll_wait, stage_reader)
SIGNAL_PROBES(epoll_pwait, stage_reader)
SIGNAL_PROBES(epoll_pwait2, stage_reader)
SIGNAL_PROBES(write, stage_writer)
SIGNAL_PROBES(writev, stage_writer)
SIGNAL_PROBES(send, stage_writer)
SIGNAL_PROBES(sendto, stage_writer)
SIGNAL_PROBES(sendmsg, stage_writer)
SIGNAL_PROBES(sendmmsg, stage_writer)
SIGNAL_PROBES(sendfile, stage_writer)
SIGNAL_PROBES(splice_in, stage_writer)
SIGNAL_PROBES(accept, stage_accept)
SIGNAL_PROBES(accept4, stage_accept)
SIGNAL_PROBES(connect, stage_connect)

/* With a time limit the kernel does not restart. */
static void
limited(void (*prepare)(struct stage *), long (*call)(struct stage *), int option)
{
	struct timeval tv = { 10, 0 };
	static struct stage s;

	prepare(&s);
	setsockopt(s.fd, SOL_SOCKET, option, &tv, sizeof(tv));
	count_signals(SIGALRM, SA_RESTART);
	ring();
	out_rc("rc", call(&s));
}

PROBE(limited, recv) { limited(stage_reader, call_recv, SO_RCVTIMEO); }
PROBE(limited, read) { limited(stage_reader, call_read, SO_RCVTIMEO); }
PROBE(limited, send) { limited(stage_writer, call_send, SO_SNDTIMEO); }
PROBE(limited, accept) { limited(stage_accept, call_accept, SO_RCVTIMEO); }
PROBE(limited, connect) { limited(stage_connect, call_connect, SO_SNDTIMEO); }

PROBE(signal, connect_then_again)
{
	static struct stage s;

	stage_connect(&s);
	count_signals(SIGALRM, 0);
	ring();
	out_rc("connect", call_connect(&s));
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	out_events("poll", events_now(s.fd));
	set_nonblock(s.fd);
	out_rc("again", call_connect(&s));
	accept(s.p.listener, NULL, NULL);
	out_events("open", events_until(s.fd, POLLOUT));
	out_rc("again", call_connect(&s));
	out_rc("third", call_connect(&s));
}

PROBE(signal, connect_then_wait)
{
	static struct stage s;
	pthread_t t;

	stage_connect(&s);
	count_signals(SIGALRM, 0);
	ring();
	out_rc("connect", call_connect(&s));
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	pthread_create(&t, NULL, relieve_later, &s);
	out_rc("again", call_connect(&s));
	out_rc("third", call_connect(&s));
}

PROBE(signal, connect_time_limit)
{
	struct timeval tv = { 0, 100000 };
	static struct stage s;

	stage_connect(&s);
	setsockopt(s.fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	out_rc("connect", call_connect(&s));
	out_rc("again", call_connect(&s));
	accept(s.p.listener, NULL, NULL);
	out_events("open", events_until(s.fd, POLLOUT));
	out_rc("again", call_connect(&s));
}

PROBE(signal, partial_write)
{
	static struct stage s;
	static char huge[32 << 20];
	long n;

	stage_reader(&s);
	count_signals(SIGALRM, 0);
	setitimer(ITIMER_REAL, &(struct itimerval){ .it_value = { 0, 500000 } }, NULL);
	n = write(s.fd, huge, sizeof(huge));
	out(" part=%d", n > 0 && n < (long)sizeof(huge));
}

PROBE(signal, partial_receive)
{
	static struct stage s;

	stage_reader(&s);
	relieve_reader(&s);
	events_until(s.fd, POLLIN);
	count_signals(SIGALRM, 0);
	ring();
	out_rc("recv", recv(s.fd, bulk, 100, MSG_WAITALL));
	ring();
	out_rc("more", recv(s.fd, bulk, 100, MSG_WAITALL));
}

PROBE(signal, partial_receive_restart)
{
	static struct stage s;

	stage_reader(&s);
	relieve_reader(&s);
	events_until(s.fd, POLLIN);
	count_signals(SIGALRM, SA_RESTART);
	ring();
	out_rc("recv", recv(s.fd, bulk, 100, MSG_WAITALL));
}

/* A pending signal that only the call's own mask lets in. */
static void
masked(long (*call)(struct stage *, const sigset_t *))
{
	static struct stage s;
	sigset_t none;

	stage_reader(&s);
	count_signals(SIGALRM, 0);
	block(SIG_BLOCK);
	raise(SIGALRM);
	sigemptyset(&none);
	out_rc("rc", call(&s, &none));
	out(" signalled=%d", signals_seen > 0);
}

static long
masked_ppoll(struct stage *s, const sigset_t *set)
{
	return ppoll(&(struct pollfd){ .fd = s->fd, .events = POLLIN }, 1, &(struct timespec){ 5, 0 }, set);
}

static long
masked_pselect(struct stage *s, const sigset_t *set)
{
	fd_set fds;

	FD_ZERO(&fds);
	FD_SET(s->fd, &fds);
	return pselect(s->fd + 1, &fds, NULL, NULL, &(struct timespec){ 5, 0 }, set);
}

static long
masked_epoll_pwait(struct stage *s, const sigset_t *set)
{
	return epoll_pwait(s->ep, &(struct epoll_event){ 0 }, 1, 5000, set);
}

static long
masked_epoll_pwait2(struct stage *s, const sigset_t *set)
{
	return epoll_pwait2(s->ep, &(struct epoll_event){ 0 }, 1, &(struct timespec){ 5, 0 }, set);
}

PROBE(mask, ppoll) { masked(masked_ppoll); }
PROBE(mask, pselect) { masked(masked_pselect); }
PROBE(mask, epoll_pwait) { masked(masked_epoll_pwait); }
PROBE(mask, epoll_pwait2) { masked(masked_epoll_pwait2); }

static int handler_fd;

static void
send_from_handler(int sig)
{
	send(handler_fd, "h", 1, MSG_NOSIGNAL);
}

PROBE(signal, handler_sends)
{
	struct sigaction sa = { .sa_handler = send_from_handler, .sa_flags = SA_RESTART };
	static struct stage s;

	stage_reader(&s);
	handler_fd = s.p.server;
	sigaction(SIGALRM, &sa, NULL);
	ring();
	out_rc("recv", recv(s.fd, bulk, 100, 0));
}

PROBE(signal, handler_closes)
{
	static struct stage s;
	pid_t pid = getpid();

	stage_reader(&s);
	count_signals(SIGUSR1, 0);
	if (fork() == 0) {
		usleep(SIGNAL_AFTER_US);
		kill(pid, SIGUSR1);
		_exit(0);
	}
	out_rc("recv", recv(s.fd, bulk, 100, 0));
	out_rc("close", close(s.fd));
	out(" signalled=%d", signals_seen > 0);
}
