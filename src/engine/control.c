#include "control.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../core/mem.h"
#include "carrier.h"
#include "control_ops.h"
#include "fdroom.h"
#include "log.h"

/* --- answers --- */

static void
control_close(struct loop *l, struct ctl_client *c)
{
	LIST_REMOVE(c, all);
	if (c->turns > 0)
		l->syncing--;
	loop_retire(l, &c->src);
}

static void
control_send(struct ctl_client *c, const void *msg, size_t len, int fd)
{
	union ctl_room room;
	struct iovec iov = { (void *)(uintptr_t)msg, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	ctl_attach(&m, &room, fd);
	if (sendmsg(c->src.fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_warn("control reply: %s", strerror(errno));
}

void
control_reply(struct loop *l, struct ctl_client *c, const struct ctl_reply *r, int fd)
{
	struct ctl_reply out = *r;

	out.magic = CTL_MAGIC;
	out.version = CTL_VERSION;
	c->waiting = NULL;
	control_send(c, &out, sizeof(out), fd);
	control_close(l, c);
}

void
control_reply_fd(struct loop *l, struct ctl_client *c, int error, int fd)
{
	struct ctl_reply r;

	memset(&r, 0, sizeof(r));
	r.error = error;
	control_reply(l, c, &r, fd);
}

void
control_reply_error(struct loop *l, struct ctl_client *c, int error)
{
	control_reply_fd(l, c, error, -1);
}

void
control_send_status(struct ctl_client *c, const struct ctl_status *s)
{
	control_send(c, s, sizeof(*s), -1);
}

void
control_sync(struct loop *l, struct ctl_client *c, bool sent)
{
	/* It leaves at the end of the turn after the one that sees the descriptor closed, the second at the latest; it comes in the next. */
	c->turns = sent ? 5 : 2;
	l->syncing++;
}

void
control_turn(struct loop *l, bool all)
{
	struct ctl_client *c, *next;

	if (l->syncing == 0 || !all)
		return;
	for (c = LIST_FIRST(&l->clients); c != NULL; c = next) {
		next = LIST_NEXT(c, all);
		if (c->turns > 0 && --c->turns == 0) {
			l->syncing--;
			control_reply_error(l, c, 0);
		}
	}
}

/* --- questions --- */

/* One message with at most one descriptor; further ones are closed. Bytes, 0 at the end, -1 nothing now. */
static ssize_t
control_receive(int fd, struct ctl_request *q, int *got)
{
	union { char buf[CMSG_SPACE(4 * sizeof(int))]; struct cmsghdr align; } control;
	struct iovec iov = { q, sizeof(*q) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	ssize_t n = fdroom_recvmsg(fd, &m, MSG_DONTWAIT);

	*got = -1;
	for (struct cmsghdr *cm = n < 0 ? NULL : CMSG_FIRSTHDR(&m); cm != NULL; cm = CMSG_NXTHDR(&m, cm)) {
		size_t count = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		for (size_t i = 0; cm->cmsg_level == SOL_SOCKET && cm->cmsg_type == SCM_RIGHTS && i < count; i++) {
			int f;

			memcpy(&f, CMSG_DATA(cm) + i * sizeof(int), sizeof(int));
			if (*got < 0)
				*got = f;
			else
				close(f);
		}
	}
	return n;
}

static void
control_client_ready(struct loop *l, struct source *src, uint32_t events)
{
	struct ctl_client *c = (struct ctl_client *)src;
	struct ctl_request q;
	int fd = -1;
	ssize_t n;

	memset(&q, 0, sizeof(q));
	n = control_receive(src->fd, &q, &fd);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		control_abandoned(l, c);
		control_close(l, c);
		return;
	}
	if ((size_t)n != sizeof(q) || q.magic != CTL_MAGIC || q.version != CTL_VERSION)
		control_reply_error(l, c, EPROTO);
	else
		control_dispatch(l, c, &q, &fd);
	if (fd >= 0)
		close(fd);
}

static void
control_accept(struct loop *l, struct source *src, uint32_t events)
{
	int fd;

	while (!l->quit && (fd = fdroom_accept(src->fd)) >= 0) {
		struct ctl_client *c = mem_alloc(l->mem, sizeof(*c));
		struct ucred cred;
		socklen_t len = sizeof(cred);

		if (c == NULL || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0) {
			mem_free(l->mem, c, sizeof(*c));
			close(fd);
			continue;
		}
		c->src = (struct source){ .fd = fd, .ready = control_client_ready, .size = sizeof(*c) };
		c->uid = cred.uid;
		c->pid = cred.pid;
		LIST_INSERT_HEAD(&l->clients, c, all);
		if (loop_add(l, &c->src, EPOLLIN | EPOLLRDHUP) != 0)
			control_close(l, c);
		else
			control_client_ready(l, &c->src, EPOLLIN);
	}
}

int
control_open(struct loop *l, int fd)
{
	struct source *src = mem_alloc(l->mem, sizeof(*src));

	if (src == NULL)
		return ENOMEM;
	*src = (struct source){ .fd = fd, .ready = control_accept, .size = sizeof(*src) };
	l->control = src;
	return loop_add(l, src, EPOLLIN);
}
