#include "control_sockopt.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include <kcpshim.h>

#include "../core/session.h"
#include "kcpopt.h"
#include "listener.h"
#include "options.h"
#include "relay.h"
#include "udp.h"

/* TCP's states as TCP_INFO numbers them (include/net/tcp_states.h). */
enum { INFO_ESTABLISHED = 1, INFO_SYN_SENT, INFO_SYN_RECV, INFO_FIN_WAIT1, INFO_FIN_WAIT2, INFO_TIME_WAIT, INFO_CLOSE,
	INFO_CLOSE_WAIT, INFO_LAST_ACK, INFO_LISTEN, INFO_CLOSING };

static uint8_t
sockopt_tcp_state(const struct session_info *si)
{
	switch (si->state) {
	case SESSION_CONNECTING:
		return INFO_SYN_SENT;
	case SESSION_ACCEPTING:
		return INFO_SYN_RECV;
	case SESSION_LINGERING:
		return INFO_TIME_WAIT;
	case SESSION_CLOSED:
		return INFO_CLOSE;
	default:
		break;
	}
	if (si->sent_fin && si->got_fin)
		return si->fin_acked ? INFO_TIME_WAIT : INFO_CLOSING;
	if (si->sent_fin)
		return si->fin_acked ? INFO_FIN_WAIT2 : INFO_FIN_WAIT1;
	return si->got_fin ? INFO_CLOSE_WAIT : INFO_ESTABLISHED;
}

static void
sockopt_tcp_info(const struct session_info *si, uint64_t now, struct tcp_info *ti)
{
	const struct kcp_info *k = &si->kcp;

	memset(ti, 0, sizeof(*ti));
	ti->tcpi_state = sockopt_tcp_state(si);
	ti->tcpi_rto = (uint32_t)k->rto_us;
	ti->tcpi_rtt = (uint32_t)k->srtt_us;
	ti->tcpi_rttvar = (uint32_t)k->rttvar_us;
	ti->tcpi_min_rtt = (uint32_t)k->min_rtt_us;
	ti->tcpi_snd_mss = si->mtu > 64 ? si->mtu - 64 : 0;
	ti->tcpi_rcv_mss = ti->tcpi_snd_mss;
	ti->tcpi_advmss = ti->tcpi_snd_mss;
	ti->tcpi_pmtu = si->mtu + 28;
	ti->tcpi_unacked = k->inflight;
	ti->tcpi_total_retrans = (uint32_t)k->retransmits;
	ti->tcpi_snd_cwnd = k->cwnd;
	ti->tcpi_probes = (uint8_t)(k->probes > 255 ? 255 : k->probes);
	ti->tcpi_backoff = (uint8_t)(k->backoff > 255 ? 255 : k->backoff);
	ti->tcpi_bytes_acked = k->bytes_acked;
	ti->tcpi_bytes_received = k->bytes_received;
	ti->tcpi_bytes_sent = k->bytes_sent;
	ti->tcpi_data_segs_out = (uint32_t)k->segments_sent;
	ti->tcpi_data_segs_in = (uint32_t)k->segments_received;
	ti->tcpi_segs_out = (uint32_t)si->datagrams_sent;
	ti->tcpi_segs_in = (uint32_t)si->datagrams_received;
	ti->tcpi_pacing_rate = k->pacing_rate;
	ti->tcpi_delivery_rate = k->delivery_rate;
	ti->tcpi_options = (uint8_t)((si->ecn.state == ECN_CAPABLE ? TCPI_OPT_ECN : 0) |
	    (si->ecn.ect0 + si->ecn.ect1 + si->ecn.ce != 0 ? TCPI_OPT_ECN_SEEN : 0));
	ti->tcpi_delivered = (uint32_t)k->segments_sent - k->inflight;
	ti->tcpi_delivered_ce = si->ecn.seen.ce;
	ti->tcpi_notsent_bytes = (uint32_t)k->unsent_bytes;
	if (k->last_progress != 0 && now > k->last_progress)
		ti->tcpi_last_ack_recv = (uint32_t)((now - k->last_progress) / 1000);
}

static int
sockopt_put(struct ctl_reply *r, uint32_t room, const void *value, size_t len)
{
	if (room > sizeof(r->opt))
		room = sizeof(r->opt);
	r->optlen = (uint32_t)(len < room ? len : room);
	memcpy(r->opt, value, r->optlen);
	return 0;
}

static int
sockopt_error(struct loop *l, struct conn *c, uint32_t id, uint64_t ino, struct ctl_reply *r, uint32_t room)
{
	struct tombstone *t = loop_tomb(l, id, ino);
	int error = 0;

	if (c != NULL) {
		error = c->error;
		c->error = 0;
	} else if (t != NULL) {
		error = t->error;
		t->error = 0;
	}
	return sockopt_put(r, room, &error, sizeof(error));
}

int
control_getsockopt(struct loop *l, struct conn *c, struct listener *li, const struct ctl_request *q, uint64_t ino,
    struct ctl_reply *r)
{
	const struct options *o = c != NULL ? &c->options : li != NULL ? &li->options : NULL;
	const struct options none = { 0 };
	struct session_info si;
	size_t len = q->optlen < sizeof(r->opt) ? q->optlen : sizeof(r->opt);
	int domain = c != NULL ? c->ident.domain : li != NULL ? li->ident.domain : AF_INET, error;

	if (q->level == SOL_SOCKET && q->optname == SO_ERROR)
		return sockopt_error(l, c, q->id, ino, r, q->optlen);
	if (c != NULL && c->session == NULL && q->level != SOL_KCP)
		return tunnel_getsockopt(c, q, r);
	if (c != NULL && q->level == SOL_SOCKET && q->optname == SO_INCOMING_CPU) {
		int cpu = sched_getcpu();

		return sockopt_put(r, q->optlen, &cpu, sizeof(cpu));
	}
	if (q->level == IPPROTO_TCP && (q->optname == TCP_INFO || q->optname == TCP_MAXSEG)) {
		struct tcp_info ti;
		int mss;

		memset(&si, 0, sizeof(si));
		si.state = SESSION_CLOSED;
		if (c != NULL)
			session_get_info(c->session, &si);
		sockopt_tcp_info(&si, l->now, &ti);
		if (li != NULL)
			ti.tcpi_state = INFO_LISTEN;
		if (q->optname == TCP_INFO)
			return sockopt_put(r, q->optlen, &ti, sizeof(ti));
		mss = (int)ti.tcpi_snd_mss;
		if (o != NULL && options_int(o, IPPROTO_TCP, TCP_MAXSEG, mss) < mss)
			mss = options_int(o, IPPROTO_TCP, TCP_MAXSEG, mss);
		if (c != NULL && mss > 0)
			return sockopt_put(r, q->optlen, &mss, sizeof(mss));
	}
	if (q->level == SOL_KCP) {
		if ((error = kcpopt_get(c, o != NULL ? o : &none, q->optname, r->opt, &len)) == 0)
			r->optlen = (uint32_t)len;
		return error;
	}
	if ((q->level == IPPROTO_IP && q->optname == IP_MTU) || (q->level == IPPROTO_IPV6 && q->optname == IPV6_MTU && domain == AF_INET6)) {
		int mtu;

		if (c == NULL)
			return ENOTCONN;
		session_get_info(c->session, &si);
		mtu = (int)si.mtu + (c->ident.peer.family == 6 ? 48 : 28);
		return sockopt_put(r, q->optlen, &mtu, sizeof(mtu));
	}
	if ((error = options_get(o != NULL ? o : &none, domain, q->level, q->optname, r->opt, &len)) != 0)
		return error;
	r->optlen = (uint32_t)len;
	return 0;
}

/* What the kernel allows a fresh socket, on which values are tried, but not one that is connected or listens. */
static int
sockopt_refused(const struct conn *c, const struct listener *li, const struct ctl_request *q, int domain)
{
	int value = 0;

	if (q->optlen >= sizeof(value))
		memcpy(&value, q->opt, sizeof(value));
	if (q->level == IPPROTO_IPV6 && q->optname == IPV6_V6ONLY)
		return domain == AF_INET6 ? EINVAL : ENOPROTOOPT; /* bound already */
	if (q->level != IPPROTO_TCP || q->optlen < sizeof(value))
		return 0;
	if (c != NULL && (q->optname == TCP_FASTOPEN || q->optname == TCP_FASTOPEN_CONNECT || q->optname == TCP_FASTOPEN_NO_COOKIE))
		return EINVAL;
	if (q->optname == TCP_WINDOW_CLAMP && value == 0)
		return EINVAL;
	if (q->optname == TCP_QUEUE_SEQ)
		return EPERM;
	return li != NULL && q->optname == TCP_REPAIR ? EPERM : 0;
}

int
control_setsockopt(struct loop *l, struct conn *c, struct listener *li, const struct ctl_request *q)
{
	struct options *o = c != NULL ? &c->options : li != NULL ? &li->options : NULL;
	struct options forgotten = { 0 };
	int domain = c != NULL ? c->ident.domain : li != NULL ? li->ident.domain : AF_INET, error;

	if (q->optlen > sizeof(q->opt))
		return EINVAL;
	if (c != NULL && c->session == NULL && q->level != SOL_KCP && (error = tunnel_setsockopt(c, q)) != 0)
		return error;
	if ((error = sockopt_refused(c, li, q, domain)) != 0)
		return error;
	if (q->level == SOL_KCP)
		return o == NULL ? ENOTCONN : kcpopt_set(l, c, o, q->optname, q->opt, q->optlen);
	if (li != NULL && li->tcp != NULL)
		(void)setsockopt(li->tcp_fd, q->level, q->optname, q->opt, q->optlen);
	error = options_set(l->mem, o != NULL ? o : &forgotten, domain, q->level, q->optname, q->opt, q->optlen);
	options_dispose(l->mem, &forgotten);
	if (error == 0 && c != NULL)
		relay_apply_options(l, c);
	return error;
}
