#include "listener_defer.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include "../core/endpoint.h"
#include "../core/kcp.h"
#include "../core/session.h"
#include "listener.h"
#include "options.h"
#include "relay.h"

#define DEFER_LOOK_US 500000u
/* From the close of a listener to the last close of what waited in it, which is the kernel's work. */
#define FORSAKEN_US 200000u

/* Until when the session is held back: 0 when it is not. */
static uint64_t
defer_until(struct loop *l, const struct session *s, const struct session_info *si)
{
	struct listener *li;

	LIST_FOREACH(li, &l->listeners, all) {
		if ((uint32_t)li->handle == session_listener(s)) {
			int seconds = options_int(&li->options, IPPROTO_TCP, TCP_DEFER_ACCEPT, 0);

			return seconds <= 0 ? 0 : si->opened_at + (uint64_t)seconds * 1000000u;
		}
	}
	return 0;
}

bool
listener_defer_over(struct loop *l, const struct session *s, unsigned events)
{
	struct session_info si;
	uint64_t until;

	if (session_listener(s) == 0)
		return false;
	session_get_info(s, &si);
	until = defer_until(l, s, &si);
	if (until == 0)
		return events & SESSION_EV_OPENED;
	if (si.state != SESSION_ESTABLISHED)
		return false;
	if (session_recv_ready(s) > 0 || si.got_fin || until <= l->now)
		return true;
	if (l->defer_look == KCP_NEVER)
		l->defer_look = l->now + DEFER_LOOK_US;
	return false;
}

uint64_t
listener_defer_deadline(const struct loop *l)
{
	return l->defer_look;
}

void
listener_defer_timers(struct loop *l)
{
	struct session *s, *next;

	if (l->defer_look > l->now)
		return;
	l->defer_look = KCP_NEVER;
	for (s = endpoint_each(l->ep, NULL); s != NULL; s = next) {
		next = endpoint_each(l->ep, s);
		if (session_owner(s) == NULL && session_listener(s) != 0 && session_state(s) == SESSION_ESTABLISHED)
			relay_session_ready(l, s);
	}
}

void
listener_forsake(struct loop *l, const struct listener *li)
{
	for (struct session *s = endpoint_each(l->ep, NULL); s != NULL; s = endpoint_each(l->ep, s)) {
		struct conn *c = session_owner(s);

		if (c != NULL && session_listener(s) == (uint32_t)li->handle)
			c->forsaken_until = l->now + FORSAKEN_US;
	}
}

bool
listener_forsaken(const struct loop *l, const struct conn *c)
{
	struct session_info si;
	int queued = 0;

	if (c->forsaken_until < l->now || c->session == NULL)
		return false;
	session_get_info(c->session, &si);
	return si.kcp.bytes_sent == 0 && si.kcp.unsent_bytes == 0 &&
	    (ioctl(c->src.fd, SIOCINQ, &queued) != 0 || queued <= (int)c->stash);
}
