#include "buffers.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "../core/kcp.h"
#include "../core/session.h"
#include "options.h"
#include "relay.h"
#include "relay_io.h"

/* The smallest bounds of the two ends. Below 64 KiB a packet of some KiB would not fit beside the stash. */
#define BUFFERS_APP_MIN 65536
#define BUFFERS_ENGINE_MIN 8192
/* Segments: a session that is told a smaller window than what is on its way already would have to send that again. */
#define BUFFERS_WINDOW_MIN 32
/* Segments that are withheld at most, whatever the low-water mark. */
#define BUFFERS_WITHHELD_MAX 64
/* Linux charges an skb's head and shared info, and rounds the data up to a power of two. */
#define BUFFERS_SKB_OVERHEAD 448

/* Bytes, or 0: no bound. */
static unsigned
buffers_bound(const struct conn *c, int name)
{
	unsigned size = (unsigned)options_int(&c->options, SOL_SOCKET, name, 0);

	return size < BUFFERS_UNBOUNDED ? size : 0;
}

static void
buffers_limit(int fd, unsigned bound, unsigned least)
{
	/* The kernel doubles what it is told. */
	int half = (int)((bound < least ? least : bound) / 2);

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &half, sizeof(half));
}

static void
buffers_apply_session(struct loop *l, struct conn *c, unsigned snd, unsigned rcv)
{
	struct kcp *k = c->session != NULL ? session_kcp(c->session) : NULL;
	const struct kcp_config *cfg;
	uint32_t wnd;

	if (k == NULL)
		return;
	cfg = kcp_get_config(k);
	c->bounded |= snd != 0;
	kcp_limit_send_buffer(k, snd == 0 || snd / 2 > 2 * cfg->mtu ? snd / 2 : 2 * cfg->mtu);
	if (rcv == 0)
		return;
	wnd = rcv / 2 / cfg->mtu;
	if (wnd < BUFFERS_WINDOW_MIN)
		wnd = BUFFERS_WINDOW_MIN;
	if (wnd < cfg->rcv_wnd)
		(void)kcp_set_wndsize(k, cfg->snd_wnd, wnd, l->now);
}

void
buffers_apply(struct loop *l, struct conn *c)
{
	unsigned rcv = buffers_bound(c, SO_RCVBUF);

	c->sndbuf = buffers_bound(c, SO_SNDBUF);
	buffers_apply_session(l, c, c->sndbuf, rcv);
	if (rcv != 0 && c->src.fd >= 0)
		buffers_limit(c->src.fd, rcv, BUFFERS_ENGINE_MIN);
	if (c->stash > 0 && c->filler == 0 && !buffers_stash_fits(c, c->stash_run))
		relay_drop_stash(c);
}

void
buffers_apply_app(const struct conn *c, int app_fd)
{
	unsigned snd = buffers_bound(c, SO_SNDBUF);
	int usual = RELAY_PAIR_SNDBUF;

	if (snd != 0)
		buffers_limit(app_fd, snd, BUFFERS_APP_MIN);
	else if (c->bounded && setsockopt(app_fd, SOL_SOCKET, SO_SNDBUFFORCE, &usual, sizeof(usual)) != 0)
		(void)setsockopt(app_fd, SOL_SOCKET, SO_SNDBUF, &usual, sizeof(usual));
}

bool
buffers_stash_fits(const struct conn *c, size_t run)
{
	size_t bound = c->sndbuf < BUFFERS_APP_MIN ? BUFFERS_APP_MIN : c->sndbuf;

	return c->sndbuf == 0 || run + BUFFERS_SKB_OVERHEAD <= bound / 8;
}

bool
buffers_below_mark(const struct conn *c)
{
	int mark = options_int(&c->options, SOL_SOCKET, SO_RCVLOWAT, 1), unread = 0, most;
	struct iovec iov[BUFFERS_WITHHELD_MAX];
	struct session_info si;
	struct kcp *k;

	if (mark <= 1 || session_recv_ready(c->session) >= (size_t)mark || session_state(c->session) != SESSION_ESTABLISHED ||
	    (k = session_kcp(c->session)) == NULL)
		return false;
	session_get_info(c->session, &si);
	most = (int)kcp_get_config(k)->rcv_wnd / 2;
	if (most > BUFFERS_WITHHELD_MAX)
		most = BUFFERS_WITHHELD_MAX;
	/* Behind bytes that the program has not read there is nothing to wait for; nor must the peer's window fill up. */
	return !si.got_fin && ioctl(c->src.fd, SIOCOUTQ, &unread) == 0 && unread == 0 && session_recv_peek(c->session, iov, most) < most;
}
