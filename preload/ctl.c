#include "ctl.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "engine/fdroom.h"
#include "real.h"

/* A stopped or wedged engine must not hang calls that never block over TCP. */
#define EXCHANGE_SECONDS 5

void
ctl_prepare(struct ctl_request *req, enum ctl_op op, const struct ident *id)
{
	memset(req, 0, sizeof(*req));
	req->magic = CTL_MAGIC;
	req->version = CTL_VERSION;
	req->op = op;
	req->id = id ? id->id : 0;
}

int
ctl_open(uint64_t engine)
{
	struct sockaddr_un un;
	socklen_t len = ident_engine_name(engine, &un);
	int sock = fdroom_socket(AF_UNIX, SOCK_SEQPACKET, 0);
	int rc, saved;

	if (sock < 0)
		return -1;
	do {
		rc = real()->connect(sock, (struct sockaddr *)&un, len);
	} while (rc < 0 && errno == EINTR);
	if (rc == 0)
		return sock;
	saved = errno;
	real_dispose(sock);
	errno = saved;
	return -1;
}

int
ctl_send(int sock, const struct ctl_request *req, int fd)
{
	union ctl_room room;
	struct iovec iov = { .iov_base = (void *)req, .iov_len = sizeof(*req) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	ctl_attach(&msg, &room, fd);
	do {
		n = real()->sendmsg(sock, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*req) ? 0 : -1;
}

int
ctl_receive(int sock, struct ctl_reply *rep, int *fd)
{
	union ctl_room control;
	struct iovec iov = { .iov_base = rep, .iov_len = sizeof(*rep) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf,
		.msg_controllen = sizeof(control.buf) };
	struct cmsghdr *c;
	int got = -1;
	ssize_t n;

	if (fd)
		*fd = -1;
	/* The room for a descriptor is looked for when it is there. */
	n = fd ? real()->recv(sock, &(char){ 0 }, 1, MSG_PEEK) : 1;
	if (n > 0)
		n = fd ? fdroom_recvmsg(sock, &msg, MSG_DONTWAIT) : real()->recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	if (n < 0)
		return -1;
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&got, CMSG_DATA(c), sizeof(int));
	if (n != (ssize_t)sizeof(*rep) || rep->magic != CTL_MAGIC || rep->version != CTL_VERSION ||
	    rep->optlen > CTL_OPTLEN_MAX || (got >= 0 && !fd)) {
		if (got >= 0)
			real_dispose(got);
		errno = ECONNRESET;
		return -1;
	}
	/* A reply whose descriptor found no free slot. */
	if (msg.msg_flags & MSG_CTRUNC) {
		errno = EMFILE;
		return -1;
	}
	if (fd)
		*fd = got;
	return 0;
}

int
ctl_exchange(uint64_t engine, struct ctl_request *req, int proof, struct ctl_reply *rep, int *fd)
{
	struct timeval limit = { .tv_sec = EXCHANGE_SECONDS + req->timeout_ms / 1000 };
	int saved = errno, cancel, rc = -1;
	int sock;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	sock = ctl_open(engine);
	if (sock >= 0) {
		real()->setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		rc = ctl_send(sock, req, proof);
		if (rc == 0) {
			do {
				rc = ctl_receive(sock, rep, fd);
			} while (rc < 0 && errno == EINTR);
		}
		real_dispose(sock);
	}
	pthread_setcancelstate(cancel, NULL);
	errno = saved;
	return rc;
}

bool
ctl_query(int fd, const struct ident *id, struct ctl_reply *rep)
{
	struct ctl_request req;

	ctl_prepare(&req, CTL_QUERY, id);
	return ctl_exchange(id->engine, &req, fd, rep, NULL) == 0;
}
