#include "lanes.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "../core/lane.h"
#include "../core/rules.h"
#include "control_sockopt.h"
#include "fdroom.h"
#include "ident.h"
#include "listener.h"
#include "listener_defer.h"
#include "log.h"
#include "udp.h"
#include "udp_steer.h"

#define LANES_ANSWER_S 10 /* a thread that derives keys from passphrases takes its time */

/* --- the first thread --- */

static int
lanes_connect(const struct loop *l, unsigned lane, int flags)
{
	struct timeval limit = { .tv_sec = LANES_ANSWER_S };
	int fd = fdroom_socket(AF_UNIX, SOCK_SEQPACKET | flags, 0), error;
	struct sockaddr_un un;
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&un, ident_engine_name((l->id & ~(uint64_t)(LANE_MAX - 1)) | lane, &un)) != 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		error = errno;
	/* Any user can bind such a name. */
	else if (cred.uid != geteuid() && cred.uid != 0)
		error = EPERM;
	else
		return fd;
	close(fd);
	return -error;
}

/* One request to one of the other threads, and its answer. 0 or positive errno. */
static int
lanes_ask(struct loop *l, unsigned lane, const struct ctl_request *q, int fd)
{
	union ctl_room room;
	struct iovec iov = { (void *)(uintptr_t)q, sizeof(*q) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	int sock = lanes_connect(l, lane, 0), error = 0;
	struct ctl_reply r;

	if (sock < 0)
		return -sock;
	ctl_attach(&m, &room, fd);
	if (sendmsg(sock, &m, MSG_NOSIGNAL) < 0)
		error = errno;
	else if (recv(sock, &r, sizeof(r), 0) != (ssize_t)sizeof(r))
		error = EPROTO;
	close(sock);
	return error != 0 ? error : r.error;
}

static struct ctl_request
lanes_request(const struct listener *li, enum ctl_op op)
{
	struct ctl_request q;

	memset(&q, 0, sizeof(q));
	q.magic = CTL_MAGIC;
	q.version = CTL_VERSION;
	q.op = (uint32_t)op;
	q.id = li->id;
	return q;
}

unsigned
lanes_wanted(const struct loop *l, const struct rules_options *o, int tcp_fd, bool shared)
{
	int reuseport = 0;
	socklen_t len = sizeof(reuseport);

	if ((o->set & 1u << RULES_OPT_THREADS) == 0 || shared || loop_lane(l) != 0)
		return 1;
	if (getsockopt(tcp_fd, SOL_SOCKET, SO_REUSEPORT, &reuseport, &len) != 0 || reuseport != 0)
		return 1;
	return o->threads;
}

/* Of the first `count` threads. */
static void
lanes_close_some(struct loop *l, struct listener *li, unsigned count)
{
	struct ctl_request q = lanes_request(li, CTL_PART_CLOSE);

	for (unsigned i = 1; i < count; i++)
		(void)lanes_ask(l, i, &q, -1);
}

void
lanes_open(struct loop *l, struct listener *li, int tcp_fd, int backlog, unsigned lanes, bool steer)
{
	struct ctl_request q = lanes_request(li, CTL_PART_OPEN);
	unsigned i;
	int error = 0;

	li->lanes = 1;
	if (lanes <= 1)
		return;
	q.lanes = lanes;
	q.backlog = backlog;
	/* It was bound while it allowed nobody beside it: the port is ours. */
	udp_share(li->udp, true);
	/* In this order they get their places in the kernel's list. */
	for (i = 1; i < lanes && error == 0; i++)
		error = lanes_ask(l, i, &q, tcp_fd);
	if (error == 0 && steer)
		error = udp_steer(li->udp->src.fd, lanes);
	if (error == 0) {
		li->lanes = lanes;
		return;
	}
	log_warn("UDP port %u is served by one thread: %s", li->udp->local.port, strerror(error));
	lanes_close_some(l, li, i);
	udp_share(li->udp, false);
}

void
lanes_start(struct loop *l, struct listener *li)
{
	struct ctl_request q = lanes_request(li, CTL_PART_START);
	int error;

	q.optlen = sizeof(li->unit);
	memcpy(q.opt, &li->unit, sizeof(li->unit));
	for (unsigned i = 1; i < li->lanes; i++)
		if ((error = lanes_ask(l, i, &q, li->src.fd)) != 0)
			log_error("a part of UDP port %u has no owner: %s", li->udp->local.port, strerror(error));
}

void
lanes_tell(struct loop *l, struct listener *li, const struct ctl_request *said)
{
	struct ctl_request q = *said;

	q.op = said->op == CTL_BACKLOG ? CTL_PART_BACKLOG : CTL_PART_SETSOCKOPT;
	q.id = li->id;
	for (unsigned i = 1; i < li->lanes; i++)
		(void)lanes_ask(l, i, &q, -1);
}

void
lanes_close(struct loop *l, struct listener *li)
{
	if (li->lanes <= 1 || li->part_of != 0)
		return;
	/* The parts' sessions move to sockets beside those that are still there. */
	udp_allow_reuse(li->udp, true);
	lanes_close_some(l, li, li->lanes);
	udp_steer_end(li->udp->src.fd);
	udp_allow_reuse(li->udp, false);
	li->lanes = 1;
}

/* --- the others --- */

static struct listener *
lanes_find(struct loop *l, uint32_t id)
{
	struct listener *li;

	LIST_FOREACH(li, &l->listeners, all)
		if (li->part_of == id && id != 0)
			return li;
	return NULL;
}

/* The program closed its last copy. The first thread tells what to do, as long as there is one. */
static void
lanes_part_ready(struct loop *l, struct source *src, uint32_t events)
{
	int fd;

	if (!(events & EPOLLHUP))
		return;
	/* As for the first thread: before the ends of the connections themselves are seen. */
	if (events & EPOLLERR)
		listener_forsake(l, (struct listener *)src);
	fd = lanes_connect(l, 0, SOCK_NONBLOCK);
	if (fd >= 0)
		close(fd);
	else if (fd != -EAGAIN)
		listener_close(l, (struct listener *)src);
}

static int
lanes_part_start(struct loop *l, struct listener *li, const struct ctl_request *q, int *fd)
{
	int error;

	if (*fd < 0 || li->src.fd >= 0 || q->optlen != sizeof(li->unit))
		return EINVAL;
	memcpy(&li->unit, q->opt, sizeof(li->unit));
	li->src.fd = *fd;
	li->src.ready = lanes_part_ready;
	if ((error = loop_add(l, &li->src, EPOLLRDHUP | EPOLLET)) != 0) {
		li->src.fd = -1;
		return error;
	}
	*fd = -1;
	listener_update_room(l, li);
	return 0;
}

int
lanes_part(struct loop *l, const struct ctl_request *q, int *fd)
{
	struct listener *li = lanes_find(l, q->id);
	int error;

	if (q->op == CTL_PART_OPEN) {
		if (li != NULL || *fd < 0 || q->id == 0 || q->lanes > LANE_MAX || loop_lane(l) >= q->lanes)
			return EINVAL;
		if ((error = listener_open_part(l, *fd, q->id, q->lanes, q->backlog)) == 0)
			*fd = -1;
		return error;
	}
	if (li == NULL)
		return ENOENT;
	switch (q->op) {
	case CTL_PART_START:
		return lanes_part_start(l, li, q, fd);
	case CTL_PART_BACKLOG:
		listener_set_backlog(l, li, q->backlog);
		return 0;
	case CTL_PART_SETSOCKOPT:
		return control_setsockopt(l, NULL, li, q);
	default:
		listener_close(l, li);
		return 0;
	}
}
