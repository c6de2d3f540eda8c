#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../core/endpoint.h"
#include "../core/error.h"
#include "../core/keys.h"
#include "../core/mem.h"
#include "config.h"
#include "ctlproto.h"
#include "fdroom.h"
#include "lanes.h"
#include "listener_defer.h"
#include "listener_tcp.h"
#include "log.h"
#include "relay.h"
#include "resetkey.h"
#include "sesscfg.h"
#include "udp.h"

#define LISTENER_BACKLOG_MAX 4096

struct listener *
listener_find(struct loop *l, uint32_t id)
{
	struct listener *li;

	LIST_FOREACH(li, &l->listeners, all)
		if (li->id == id)
			return li;
	return NULL;
}

static unsigned
listener_clamp(int backlog)
{
	/* listen(2): the kernel compares as unsigned and caps by somaxconn. */
	return (unsigned)backlog > LISTENER_BACKLOG_MAX ? LISTENER_BACKLOG_MAX : (unsigned)backlog;
}

void
listener_set_backlog(struct loop *l, struct listener *li, int backlog)
{
	li->backlog = listener_clamp(backlog);
	if (li->tcp != NULL)
		(void)listen(li->tcp_fd, backlog);
	listener_update_room(l, li);
}

unsigned
listener_room(const struct listener *li)
{
	unsigned queued = 0, limit = li->backlog + 1;
	int outq = 0;

	if (li->src.fd < 0)
		return 0;
	if (ioctl(li->src.fd, SIOCOUTQ, &outq) == 0)
		queued = (unsigned)(outq / li->unit);
	return queued >= limit ? 0 : limit - queued;
}

void
listener_update_room(struct loop *l, struct listener *li)
{
	endpoint_listener_room(l->ep, (uint32_t)li->handle, listener_room(li));
	listener_tcp_resume(l, li);
}

/* A session of a listener that is gone gets a connected socket of its own, so that a new listener may take the port:
 * the kernel prefers the connected one for its peer's datagrams. */
static int
listener_move_session(struct loop *l, struct listener *li, struct session *s)
{
	struct conn *c = session_owner(s);
	struct netaddr local = c->ident.local;
	const struct path *p = session_path(s);
	int error;

	local.port = li->udp->local.port;
	netaddr_unmap(&local);
	error = udp_open(l, &local, &p->remote, p->remote.family == 4 ? AF_INET : AF_INET6, li->tcp_fd, UDP_BESIDE, &c->udp);
	if (error == 0)
		session_set_sock(s, c->udp->handle);
	return error;
}

int
listener_share(struct loop *l, uint64_t ino)
{
	struct listener *li;
	struct session *s;
	struct stat st;

	LIST_FOREACH(li, &l->listeners, all)
		if (fstat(li->tcp_fd, &st) == 0 && st.st_ino == ino)
			break;
	if (li == NULL)
		return ENOENT;
	lanes_close(l, li);
	endpoint_listener_shared(l->ep, (uint32_t)li->handle);
	udp_share(li->udp, true);
	for (s = endpoint_each(l->ep, NULL); s != NULL; s = endpoint_each(l->ep, s))
		if (session_path(s)->sock == li->udp->handle && session_owner(s) != NULL && listener_move_session(l, li, s) != 0)
			log_warn("a session may lose its way to this process: %s", strerror(errno));
	return 0;
}

void
listener_close(struct loop *l, struct listener *li)
{
	struct session *s, *next;
	int error;

	/* While its socket is there: those that nobody can accept any more are told. */
	endpoint_refuse(l->ep, (uint32_t)li->handle, l->now);
	for (s = endpoint_each(l->ep, NULL); s != NULL; s = endpoint_each(l->ep, s))
		if (session_path(s)->sock == li->udp->handle && session_owner(s) == NULL)
			session_abort(s, l->now);
	(void)udp_flush(l);
	endpoint_unlisten(l->ep, (uint32_t)li->handle);
	lanes_close(l, li);
	udp_allow_reuse(li->udp, true);
	for (s = endpoint_each(l->ep, NULL); s != NULL; s = next) {
		next = endpoint_each(l->ep, s);
		if (session_path(s)->sock != li->udp->handle)
			continue;
		if (session_owner(s) == NULL)
			endpoint_release(l->ep, s);
		else if ((error = listener_move_session(l, li, s)) != 0) {
			log_error("session of a closed listener lost: %s", strerror(error));
			relay_abort(l, session_owner(s), ECONNRESET);
		}
	}
	udp_close(l, li->udp);
	LIST_REMOVE(li, all);
	listener_tcp_close(l, li);
	if (li->tcp_fd >= 0)
		close(li->tcp_fd);
	options_dispose(l->mem, &li->options);
	loop_retire(l, &li->src);
}

static void
listener_ready(struct loop *l, struct source *src, uint32_t events)
{
	struct listener *li = (struct listener *)src;

	/* The kernel's sign that its queue was not empty. */
	if ((events & EPOLLHUP) && (events & EPOLLERR))
		listener_forsake(l, li);
	if (events & EPOLLHUP)
		listener_close(l, li);
	else
		listener_tcp_resume(l, li);
}

/* The program's end shows no POLLOUT, as a listening TCP socket. */
static int
listener_fill(int app_fd)
{
	int small = 1;
	uint8_t byte = 0;

	if (setsockopt(app_fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) != 0)
		return errno;
	while (send(app_fd, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
		;
	return errno == EAGAIN ? 0 : errno;
}

/* Learns what a message charges the pair, with one that nobody else sees. 0 or positive errno. */
static int
listener_weigh(struct listener *li, int app_fd)
{
	uint32_t id = 0;

	if (send(li->src.fd, &id, sizeof(id), MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)sizeof(id) ||
	    ioctl(li->src.fd, SIOCOUTQ, &li->unit) != 0 || recv(app_fd, &id, sizeof(id), MSG_DONTWAIT) != (ssize_t)sizeof(id))
		return errno;
	return li->unit > 0 ? 0 : EPROTO;
}

static int
listener_pair(struct loop *l, struct listener *li, int *app_fd)
{
	struct sockaddr_un un;
	struct stat st;
	int sv[2], error = 0, size = 1 << 22;

	if (fdroom_socketpair(SOCK_SEQPACKET, sv) != 0)
		return errno;
	li->src.fd = sv[0];
	if (setsockopt(sv[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
		(void)setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (bind(sv[0], (struct sockaddr *)&un, ident_format(&li->ident, &un)) != 0 ||
	    fcntl(sv[0], F_SETFL, O_NONBLOCK) != 0 || fstat(sv[1], &st) != 0)
		error = errno;
	if (error == 0 && (error = listener_weigh(li, sv[1])) == 0 && (error = listener_fill(sv[1])) == 0)
		error = loop_add(l, &li->src, EPOLLRDHUP | EPOLLET);
	if (error != 0) {
		loop_close(l, &li->src);
		close(sv[1]);
		return error;
	}
	li->ino = st.st_ino;
	*app_fd = sv[1];
	return 0;
}

/* How the next run of this server will tell clients of sessions that it does not have. */
static void
listener_prepare_resets(struct loop *l, struct session_config *cfg, int tcp_fd)
{
	uint8_t secret[RESET_SECRET_LEN];
	int shared = 0;
	socklen_t len = sizeof(shared);

	/* With SO_REUSEPORT a datagram of an unknown session may be meant for another process. */
	cfg->no_reset |= getsockopt(tcp_fd, SOL_SOCKET, SO_REUSEPORT, &shared, &len) != 0 || shared != 0;
	if (l->reset_key || cfg->no_reset || cfg->plain || session_keys_count(cfg->keys) > 0)
		return;
	l->reset_key = true;
	if (resetkey_load(l->cfg->runtime_dir, secret))
		endpoint_set_reset_secret(l->ep, secret);
	explicit_bzero(secret, sizeof(secret));
}

/* A listener's own socket, or that of a part of one. */
static int
listener_open_udp(struct loop *l, struct listener *li, const struct netaddr *local, int tcp_fd, bool shared)
{
	enum udp_share share = li->part_of != 0 ? UDP_LANE : shared ? UDP_SHARED : UDP_LISTEN;

	return udp_open(l, local, NULL, li->ident.domain, tcp_fd, share, &li->udp);
}

/* Together they open no more sessions for strangers than one alone would. */
static void
listener_share_out(struct session_config *cfg, const struct loop *l, const struct listener *li)
{
	if (li->lanes <= 1)
		return;
	cfg->lane = (uint8_t)loop_lane(l);
	cfg->lanes = (uint8_t)li->lanes;
	cfg->handshakes = (cfg->handshakes + li->lanes - 1) / li->lanes;
}

static int
listener_setup(struct loop *l, struct listener *li, int tcp_fd, bool shared, enum rules_action *action)
{
	struct sockaddr_storage ss;
	struct session_config cfg;
	struct rules_options opts;
	struct netaddr local;
	socklen_t len = sizeof(li->ident.domain);
	int error;

	if (getsockopt(tcp_fd, SOL_SOCKET, SO_DOMAIN, &li->ident.domain, &len) != 0)
		return errno;
	len = sizeof(ss);
	if (getsockname(tcp_fd, (struct sockaddr *)&ss, &len) != 0)
		return errno;
	if (!ident_from_sockaddr(&local, (struct sockaddr *)&ss, len))
		return EAFNOSUPPORT;
	li->ident.role = IDENT_LISTENER;
	li->ident.engine = l->id;
	li->ident.id = li->id;
	li->ident.local = local;
	if ((*action = config_match(l->cfg, RULES_LISTEN, &local, &opts)) == RULES_TCP)
		return EOPNOTSUPP;
	if ((opts.set & (1u << RULES_OPT_UDP_PORT)) && opts.udp_port != 0)
		local.port = opts.udp_port;
	if ((error = listener_open_udp(l, li, &local, tcp_fd, shared)) != 0 ||
	    (error = options_read(l->mem, &l->usual, &li->options, tcp_fd, li->ident.domain, l->now)) != 0)
		return error;
	if ((error = sesscfg_make(l, &opts, &cfg)) != 0)
		return error;
	cfg.no_reset = shared;
	listener_prepare_resets(l, &cfg, tcp_fd);
	li->keep_idle_us = cfg.keep_idle_us;
	if (li->part_of == 0)
		lanes_open(l, li, tcp_fd, (int)li->backlog, lanes_wanted(l, &opts, tcp_fd, shared), !cfg.plain);
	listener_share_out(&cfg, l, li);
	li->handle = endpoint_listen(l->ep, li->udp->handle, &cfg);
	if (li->handle < 0)
		return li->handle == KCPSHIM_E_FULL ? EADDRINUSE : ENOBUFS;
	li->udp->listener = li;
	return 0;
}

static struct listener *
listener_new(struct loop *l, int backlog)
{
	struct listener *li = mem_alloc(l->mem, sizeof(*li));

	if (li == NULL)
		return NULL;
	li->src.fd = li->tcp_fd = -1;
	li->src.size = sizeof(*li);
	li->src.ready = listener_ready;
	li->id = loop_new_id(l);
	li->handle = -1;
	li->lanes = 1;
	li->backlog = listener_clamp(backlog);
	return li;
}

/* One that was not opened after all; its TCP socket is the caller's. */
static void
listener_discard(struct loop *l, struct listener *li)
{
	lanes_close(l, li);
	if (li->handle > 0)
		endpoint_unlisten(l->ep, (uint32_t)li->handle);
	if (li->udp != NULL)
		udp_close(l, li->udp);
	options_dispose(l->mem, &li->options);
	mem_free(l->mem, li, sizeof(*li));
}

int
listener_open(struct loop *l, int tcp_fd, int backlog, bool shared, int *app_fd)
{
	struct listener *li = listener_new(l, backlog);
	enum rules_action action;
	int error;

	if (li == NULL)
		return ENOBUFS;
	if ((error = listener_setup(l, li, tcp_fd, shared, &action)) == 0 && (error = listener_pair(l, li, app_fd)) == 0) {
		li->tcp_fd = tcp_fd;
		if (action == RULES_AUTO)
			error = listener_tcp_open(l, li, backlog);
	}
	if (error == 0) {
		LIST_INSERT_HEAD(&l->listeners, li, all);
		listener_set_backlog(l, li, backlog);
		lanes_start(l, li);
		log_info("listening on UDP port %u, threads: %u", li->udp->local.port, li->lanes);
		return 0;
	}
	if (li->src.fd >= 0) {
		loop_close(l, &li->src);
		close(*app_fd);
	}
	listener_discard(l, li);
	return error;
}

int
listener_open_part(struct loop *l, int tcp_fd, uint32_t part_of, unsigned lanes, int backlog)
{
	struct listener *li = listener_new(l, backlog);
	enum rules_action action;
	int error;

	if (li == NULL)
		return ENOBUFS;
	li->part_of = part_of;
	li->lanes = lanes;
	if ((error = listener_setup(l, li, tcp_fd, false, &action)) != 0) {
		li->lanes = 1;
		listener_discard(l, li);
		return error;
	}
	li->tcp_fd = tcp_fd;
	LIST_INSERT_HEAD(&l->listeners, li, all);
	listener_update_room(l, li);
	return 0;
}

int
listener_hand_out(struct listener *li, uint32_t id, int app_fd)
{
	union ctl_room room;
	struct iovec iov = { &id, sizeof(id) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	ctl_attach(&m, &room, app_fd);
	return sendmsg(li->src.fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? errno : 0;
}

void
listener_accepted(struct loop *l, struct session *s)
{
	struct listener *li;
	struct conn *c;
	int app_fd, error;

	LIST_FOREACH(li, &l->listeners, all)
		if ((uint32_t)li->handle == session_listener(s))
			break;
	if (li == NULL) {
		session_abort(s, l->now);
		return;
	}
	if ((error = relay_accept(l, s, li, &c, &app_fd)) != 0) {
		log_error("accept: %s", strerror(error));
		session_abort(s, l->now);
		return;
	}
	if ((error = listener_hand_out(li, c->id, app_fd)) != 0) {
		/* A program that has just closed its listener: EPOLLHUP tells of it in a moment. */
		if (error == EPIPE || error == ECONNRESET)
			log_debug("accept queue: %s", strerror(error));
		else
			log_error("accept queue: %s", strerror(error));
		session_abort(s, l->now);
	}
	close(app_fd);
}
