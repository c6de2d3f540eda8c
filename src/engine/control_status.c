#include "control_status.h"

#include <bsd/string.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "../core/endpoint.h"
#include "../core/rules.h"
#include "../core/seal.h"
#include "../core/session.h"
#include "config.h"
#include "control_ops.h"
#include "listener.h"
#include "relay.h"
#include "udp.h"

static const char *
status_state(const struct session_info *si)
{
	switch (si->state) {
	case SESSION_CONNECTING:
		return "syn-sent";
	case SESSION_ACCEPTING:
		return "syn-recv";
	case SESSION_LINGERING:
		return "linger";
	case SESSION_CLOSED:
		return "closed";
	default:
		break;
	}
	if (si->sent_fin && si->got_fin)
		return "closing";
	return si->sent_fin ? "fin-wait" : si->got_fin ? "close-wait" : "estab";
}

static const char *
status_crypto(const struct session_info *si)
{
	static const char *const names[] = {
		[SEAL_NONE] = "none", [SEAL_AES_256_GCM] = "aes-256-gcm", [SEAL_CHACHA20_POLY1305] = "chacha20-poly1305",
		[SEAL_PLAIN] = "plain", [SEAL_AIOKCP] = "aes-cbc", [SEAL_PLUGIN] = "plugin",
	};

	return si->suite < sizeof(names) / sizeof(names[0]) ? names[si->suite] : "?";
}

static void
status_ecn(struct ctl_status *s, const struct session_info *si)
{
	static const char *const names[] = {
		[ECN_IDLE] = "idle", [ECN_TESTING] = "testing", [ECN_CAPABLE] = "capable", [ECN_FAILED] = "failed",
	};

	strlcpy(s->ecn, si->ecn_on ? names[si->ecn.state] : "off", sizeof(s->ecn));
	s->ecn_marked = si->ecn.marked;
	s->ecn_ce = si->ecn.seen.ce;
	s->ecn_ect0 = si->ecn.ect0;
	s->ecn_ect1 = si->ecn.ect1;
	s->ecn_ce_received = si->ecn.ce;
}

static void
status_begin(struct loop *l, struct ctl_status *s, uint32_t kind, uint32_t id, int role)
{
	memset(s, 0, sizeof(*s));
	s->magic = CTL_MAGIC;
	s->version = CTL_VERSION;
	s->kind = kind;
	s->pid = (uint32_t)l->pid;
	s->id = id;
	s->role = (uint32_t)role;
	s->thread = loop_lane(l);
	strlcpy(s->program, l->cfg->program, sizeof(s->program));
}

static void
status_listener(struct loop *l, struct ctl_client *c, struct listener *li)
{
	struct ctl_status s;

	status_begin(l, &s, 1, li->id, li->ident.role);
	strlcpy(s.state, "listen", sizeof(s.state));
	s.local = li->udp->local;
	control_send_status(c, &s);
}

static void
status_session(struct loop *l, struct ctl_client *c, struct session *ss)
{
	const struct conn *conn = session_owner(ss);
	struct session_info si;
	struct ctl_status s;

	session_get_info(ss, &si);
	status_begin(l, &s, 2, conn != NULL ? conn->id : 0, conn != NULL ? (int)conn->ident.role : IDENT_ACCEPTED);
	strlcpy(s.state, status_state(&si), sizeof(s.state));
	strlcpy(s.crypto, status_crypto(&si), sizeof(s.crypto));
	s.authenticated = si.authenticated;
	s.local = conn != NULL ? conn->ident.local : session_path(ss)->local;
	s.peer = *session_peer(ss);
	s.current_peer = session_path(ss)->remote;
	s.rtt_us = si.kcp.srtt_us;
	s.rttvar_us = si.kcp.rttvar_us;
	s.min_rtt_us = si.kcp.min_rtt_us;
	s.send_queue = si.kcp.unacked_bytes + si.kcp.unsent_bytes;
	s.recv_queue = si.kcp.readable_bytes;
	s.retransmits = si.kcp.retransmits;
	s.spurious = si.kcp.spurious;
	s.bytes_sent = si.kcp.bytes_sent;
	s.bytes_received = si.kcp.bytes_received;
	s.wire_sent = si.wire_bytes_sent;
	s.wire_received = si.wire_bytes_received;
	s.datagrams_sent = si.datagrams_sent;
	s.datagrams_received = si.datagrams_received;
	s.dropped = si.dropped;
	s.pacing_rate = si.kcp.pacing_rate;
	s.cwnd = si.kcp.cwnd;
	s.mtu = si.mtu;
	status_ecn(&s, &si);
	s.age_us = si.opened_at != 0 ? l->now - si.opened_at : 0;
	control_send_status(c, &s);
}

static void
status_tunnels(struct loop *l, struct ctl_client *c)
{
	for (unsigned i = 0; i < LOOP_HASH; i++) {
		struct conn *conn;
		struct ctl_status s;

		LIST_FOREACH(conn, &l->conns[i], by_id) {
			if (conn->session != NULL || conn->tunnel == NULL)
				continue;
			status_begin(l, &s, 2, conn->id, (int)conn->ident.role);
			tunnel_status(conn, &s);
			control_send_status(c, &s);
		}
	}
}

void
control_status(struct loop *l, struct ctl_client *c)
{
	struct ctl_status end;
	struct listener *li;
	struct session *s = NULL;
	int size = 1 << 24;

	/* Thousands of lines may wait for a slow reader: better a large buffer than a blocked engine. */
	if (setsockopt(c->src.fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
		(void)setsockopt(c->src.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	LIST_FOREACH(li, &l->listeners, all)
		if (li->part_of == 0)
			status_listener(l, c, li);
	while ((s = endpoint_each(l->ep, s)) != NULL)
		status_session(l, c, s);
	status_tunnels(l, c);
	status_begin(l, &end, 0, 0, 0);
	control_send_status(c, &end);
}

static int
set_kcp(struct loop *l, struct kcp *k, const struct rules_options *o)
{
	const struct kcp_config *now = kcp_get_config(k);
	uint32_t snd = now->snd_wnd, rcv = now->rcv_wnd;

	if (o->set & (1u << RULES_OPT_SEND_WINDOW_SIZE))
		snd = o->send_window_size;
	if (o->set & (1u << RULES_OPT_RECEIVE_WINDOW_SIZE))
		rcv = o->receive_window_size;
	if (snd != now->snd_wnd || rcv != now->rcv_wnd)
		return kcp_set_wndsize(k, snd, rcv, l->now) == 0 ? 0 : EINVAL;
	if (o->set & ((1u << RULES_OPT_NO_DELAY) | (1u << RULES_OPT_UPDATE_INTERVAL) | (1u << RULES_OPT_RESEND_COUNT)))
		return kcp_set_nodelay(k, o->set & (1u << RULES_OPT_NO_DELAY) ? o->no_delay : now->nodelay,
		    o->set & (1u << RULES_OPT_UPDATE_INTERVAL) ? o->update_interval * 1000u : now->interval_us,
		    o->set & (1u << RULES_OPT_RESEND_COUNT) ? o->resend_count : now->resend, l->now) == 0 ? 0 : EINVAL;
	if (o->set & (1u << RULES_OPT_NO_CONGESTION_CONTROL))
		return kcp_set_cc(k, o->no_congestion_control ? KCP_CC_NONE : KCP_CC_KCP, now->rate, l->now) == 0 ? 0 : EINVAL;
	if (o->set & (1u << RULES_OPT_CC)) {
		static const enum kcp_cc cc[] = { [RULES_CC_AUTO] = KCP_CC_AUTO, [RULES_CC_KCP] = KCP_CC_KCP, [RULES_CC_NONE] = KCP_CC_NONE };

		return kcp_set_cc(k, cc[o->cc], now->rate, l->now) == 0 ? 0 : EINVAL;
	}
	if (o->set & (1u << RULES_OPT_RATE))
		return kcp_set_cc(k, now->cc, o->rate, l->now) == 0 ? 0 : EINVAL;
	if (o->set & (1u << RULES_OPT_STREAM)) {
		kcp_set_stream(k, o->stream);
		return 0;
	}
	return EINVAL;
}

int
control_set(struct loop *l, const struct ctl_request *q)
{
	struct conn *c = relay_find(l, q->id);
	char name[sizeof(q->name)], value[sizeof(q->opt)], err[128];
	struct rules_options o;
	struct kcp *k;

	if (c == NULL || c->session == NULL || (k = session_kcp(c->session)) == NULL)
		return ENOENT;
	strlcpy(name, q->name, sizeof(name));
	strlcpy(value, (const char *)q->opt, sizeof(value));
	memset(&o, 0, sizeof(o));
	if (rules_option_parse(&o, name, value, err, sizeof(err)) != 0)
		return EINVAL;
	if (o.set & (1u << RULES_OPT_MAX_TRANSMISSION))
		return session_set_mtu(c->session, o.max_transmission, l->now) == 0 ? 0 : EINVAL;
	return set_kcp(l, k, &o);
}
