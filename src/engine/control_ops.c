#include "control_ops.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../core/session.h"
#include "buffers.h"
#include "carrier.h"
#include "control_sockopt.h"
#include "control_status.h"
#include "lanes.h"
#include "listener.h"
#include "relay.h"

struct op_args {
	struct loop *l;
	struct ctl_client *c;
	const struct ctl_request *q;
	int *fd;
	uint64_t ino;           /* of *fd, for proofs */
	struct conn *conn;      /* proven */
	struct listener *listener;
};

static void
op_listen(struct op_args *a)
{
	int app_fd, error;

	if ((error = listener_open(a->l, *a->fd, a->q->backlog, a->q->flags & CTL_F_SHARED, &app_fd)) != 0) {
		control_reply_error(a->l, a->c, error);
		return;
	}
	*a->fd = -1;
	control_reply_fd(a->l, a->c, 0, app_fd);
	close(app_fd);
}

static void
op_share(struct op_args *a)
{
	control_reply_error(a->l, a->c, listener_share(a->l, a->ino));
}

static void
op_backlog(struct op_args *a)
{
	if (a->listener != NULL)
		listener_set_backlog(a->l, a->listener, a->q->backlog);
	if (a->listener != NULL)
		lanes_tell(a->l, a->listener, a->q);
	control_reply_error(a->l, a->c, a->listener != NULL ? 0 : EINVAL);
}

/* The pending pair goes out; the outcome shows on it. */
static void
op_hand_pending(struct op_args *a, struct conn *conn)
{
	int app_fd, error = relay_make_pair(a->l, conn, true, &app_fd);

	if (error != 0) {
		relay_drop(a->l, conn);
		control_reply_error(a->l, a->c, error);
		return;
	}
	control_reply_fd(a->l, a->c, EINPROGRESS, app_fd);
	close(app_fd);
}

static void
op_connect(struct op_args *a)
{
	struct conn *conn;
	int error;

	if ((error = relay_connect(a->l, *a->fd, &a->q->addr, &conn)) != 0) {
		control_reply_error(a->l, a->c, error);
		return;
	}
	if (conn == NULL) {
		struct ctl_reply r = { .state = CTL_ST_KERNEL };

		control_reply(a->l, a->c, &r, -1);
		return;
	}
	if (conn->tunnel != NULL)
		*a->fd = -1;
	if (a->q->flags & CTL_F_NONBLOCK) {
		op_hand_pending(a, conn);
		return;
	}
	conn->waiter = a->c;
	a->c->waiting = conn;
	a->c->waiting_op = CTL_CONNECT;
}

static void
op_connect_detach(struct op_args *a)
{
	struct conn *conn = a->c->waiting;

	if (conn == NULL || conn->waiter != a->c) {
		control_reply_error(a->l, a->c, EINVAL);
		return;
	}
	conn->waiter = NULL;
	a->c->waiting = NULL;
	op_hand_pending(a, conn);
}

static void
op_connect_again(struct op_args *a)
{
	struct conn *conn = a->conn;
	struct tombstone *t;
	int error;

	if (conn != NULL && conn->error == 0) {
		error = !conn->opened ? EALREADY : conn->reported ? EISCONN : 0;
		conn->reported |= conn->opened;
	} else if (conn != NULL) {
		error = conn->error;
	} else {
		t = loop_tomb(a->l, a->q->id, a->ino);
		error = t != NULL && t->error != 0 ? t->error : ECONNABORTED;
		if (t != NULL)
			t->error = 0;
	}
	control_reply_error(a->l, a->c, error);
}

static void
op_disconnect(struct op_args *a)
{
	if (a->conn != NULL)
		relay_abort(a->l, a->conn, ECONNRESET);
	control_reply_error(a->l, a->c, 0);
}

static void
op_query(struct op_args *a)
{
	struct ctl_reply r;
	struct tombstone *t;

	memset(&r, 0, sizeof(r));
	if (a->conn != NULL)
		relay_query(a->l, a->conn, &r);
	else if (a->listener != NULL)
		r.state = CTL_ST_LISTEN;
	else {
		t = loop_tomb(a->l, a->q->id, a->ino);
		r.state = t != NULL && t->error != 0 ? CTL_ST_RESET : CTL_ST_CLOSED;
		r.pending_error = t != NULL ? t->error : 0;
	}
	control_reply(a->l, a->c, &r, -1);
}

static void
op_drain(struct op_args *a)
{
	if (a->conn == NULL || a->conn->src.fd < 0 || a->conn->drainer != NULL) {
		control_reply_error(a->l, a->c, 0);
		return;
	}
	a->c->waiting = a->conn;
	a->c->waiting_op = CTL_DRAIN;
	relay_drain(a->l, a->conn, a->c, a->q->timeout_ms);
}

static void
op_setsockopt(struct op_args *a)
{
	int error = control_setsockopt(a->l, a->conn, a->listener, a->q);

	if (error == 0 && a->conn != NULL && a->q->level == SOL_SOCKET) {
		buffers_apply(a->l, a->conn);
		buffers_apply_app(a->conn, *a->fd);
		/* Room that grew, or a mark that fell. */
		relay_mark(a->l, a->conn);
	}
	if (error == 0 && a->listener != NULL)
		lanes_tell(a->l, a->listener, a->q);
	control_reply_error(a->l, a->c, error);
}

static void
op_getsockopt(struct op_args *a)
{
	struct ctl_reply r;

	memset(&r, 0, sizeof(r));
	r.error = control_getsockopt(a->l, a->conn, a->listener, a->q, a->ino, &r);
	control_reply(a->l, a->c, &r, -1);
}

static void
op_migrate(struct op_args *a)
{
	carrier_migrate(a->l, a->c);
}

static void
op_status(struct op_args *a)
{
	control_status(a->l, a->c);
	control_reply_error(a->l, a->c, 0);
}

static void
op_set(struct op_args *a)
{
	control_reply_error(a->l, a->c, control_set(a->l, a->q));
}

static void
op_sync(struct op_args *a)
{
	control_sync(a->l, a->c, (a->q->flags & CTL_F_SENT) != 0);
}

static void
op_part(struct op_args *a)
{
	control_reply_error(a->l, a->c, lanes_part(a->l, a->q, a->fd));
}

/* Who may ask: NEEDS_FD carries a TCP socket and comes from the engine's own process or user; PROOF carries the descriptor it is about;
 * OWNER must be the same user or root. */
enum { NEEDS_FD = 1, PROOF = 2, OWNER = 4 };

static const struct {
	void (*run)(struct op_args *);
	int needs;
} ops[] = {
	[CTL_LISTEN] = { op_listen, NEEDS_FD | OWNER },
	[CTL_BACKLOG] = { op_backlog, PROOF },
	[CTL_CONNECT] = { op_connect, NEEDS_FD | OWNER },
	[CTL_CONNECT_DETACH] = { op_connect_detach, 0 },
	[CTL_CONNECT_AGAIN] = { op_connect_again, PROOF },
	[CTL_DISCONNECT] = { op_disconnect, PROOF },
	[CTL_SETSOCKOPT] = { op_setsockopt, PROOF },
	[CTL_GETSOCKOPT] = { op_getsockopt, PROOF },
	[CTL_QUERY] = { op_query, PROOF },
	[CTL_DRAIN] = { op_drain, PROOF },
	[CTL_MIGRATE] = { op_migrate, OWNER },
	[CTL_STATUS] = { op_status, OWNER },
	[CTL_SET] = { op_set, OWNER },
	[CTL_SHARE] = { op_share, NEEDS_FD | OWNER },
	[CTL_SYNC] = { op_sync, 0 },
	[CTL_PART_OPEN] = { op_part, NEEDS_FD | OWNER },
	[CTL_PART_START] = { op_part, NEEDS_FD | OWNER },
	[CTL_PART_BACKLOG] = { op_part, OWNER },
	[CTL_PART_SETSOCKOPT] = { op_part, OWNER },
	[CTL_PART_CLOSE] = { op_part, OWNER },
};

/* The connection or listener whose program end is *fd; both NULL when it is over (its tombstone may answer). */
static void
control_prove(struct op_args *a)
{
	struct conn *conn = relay_find(a->l, a->q->id);
	struct listener *li = listener_find(a->l, a->q->id);

	a->conn = conn != NULL && conn->ino == a->ino && (conn->session != NULL || conn->tunnel != NULL) ? conn : NULL;
	a->listener = li != NULL && li->ino == a->ino ? li : NULL;
}

void
control_dispatch(struct loop *l, struct ctl_client *c, const struct ctl_request *q, int *fd)
{
	struct op_args a = { .l = l, .c = c, .q = q, .fd = fd };
	struct stat st;
	int needs;

	if (q->op >= sizeof(ops) / sizeof(ops[0]) || ops[q->op].run == NULL) {
		control_reply_error(l, c, EOPNOTSUPP);
		return;
	}
	needs = ops[q->op].needs;
	if ((needs & OWNER) && c->pid != l->pid && c->uid != geteuid() && c->uid != 0) {
		control_reply_error(l, c, EPERM);
		return;
	}
	if (needs & (NEEDS_FD | PROOF)) {
		if (*fd < 0 || fstat(*fd, &st) != 0 || !S_ISSOCK(st.st_mode)) {
			control_reply_error(l, c, EBADF);
			return;
		}
		a.ino = st.st_ino;
	}
	if (needs & PROOF)
		control_prove(&a);
	ops[q->op].run(&a);
}

void
control_abandoned(struct loop *l, struct ctl_client *c)
{
	struct conn *conn = c->waiting;

	c->waiting = NULL;
	if (conn == NULL)
		return;
	if (c->waiting_op == CTL_CONNECT && conn->waiter == c)
		relay_drop(l, conn);
	if (c->waiting_op == CTL_DRAIN && conn->drainer == c)
		conn->drainer = NULL;
}
