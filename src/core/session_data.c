#include "session_impl.h"

#include <string.h>

#include "bytes.h"
#include "endpoint_impl.h"
#include "error.h"

static void
input_stream(struct session *s, const struct path *path, const struct wire_frame *f, uint64_t now)
{
	if (session_streaming(s)) {
		kcp_input(s->kcp, f, now);
		if (s->state == SESSION_LINGERING && f->type == WIRE_DATA)
			session_linger_on(s, now);
	}
	/* The peer still sends to a session that was reset here: the RST was lost. */
	else if (s->rst_sent && f->type == WIRE_DATA)
		s->control |= SESSION_CTL_RST;
}

static void
input_ping(struct session *s, const struct path *path, const struct wire_frame *f, uint64_t now)
{
	if (s->state == SESSION_CLOSED) {
		if (s->rst_sent)
			s->control |= SESSION_CTL_RST;
		return;
	}
	s->pong_token = f->token;
	s->control |= SESSION_CTL_PONG;
}

static void
input_rst(struct session *s, const struct path *path, const struct wire_frame *f, uint64_t now)
{
	if (s->state == SESSION_CLOSED) {
		/* Both sides reset: neither needs to be told any more. */
		s->control = 0;
		s->rst_left = 0;
		return;
	}
	if (s->state == SESSION_LINGERING)
		session_end(s, 0, false, now);
	else if (f->code == SESSION_RST_DONE && s->sent_fin && s->got_fin)
		s->peer_done = true;
	else
		session_end(s, KCPSHIM_E_RESET, false, now);
}

static void
input_pong(struct session *s, const struct path *path, const struct wire_frame *f, uint64_t now)
{
	if (f->token == s->ping_token && session_streaming(s))
		kcp_path_works(s->kcp);
	if (s->phases != NULL && f->token == s->ping_token && s->ping_phase == (uint16_t)s->phases->tx.phase)
		phase_tx_confirm(&s->phases->tx);
	session_pmtu_pong(s, f->token, now);
}

static void
input_challenge(struct session *s, const struct path *path, const struct wire_frame *f, uint64_t now)
{
	if (s->state == SESSION_CLOSED)
		return;
	s->response_token = f->token;
	s->control |= SESSION_CTL_RESPONSE;
}

static void
input_response(struct session *s, const struct path *path, const struct wire_frame *f, uint64_t now)
{
	session_roam_response(s, path, f->token, now);
}

static void
input_parity(struct session *s, const struct path *path, const struct wire_frame *f, uint64_t now)
{
	session_fec_parity(s, f);
}

static void
input_ecn(struct session *s, const struct path *path, const struct wire_frame *f, uint64_t now)
{
	session_ecn_report(s, &f->ecn, now);
}

static void (*const input_frame[])(struct session *, const struct path *, const struct wire_frame *, uint64_t) = {
	[WIRE_DATA] = input_stream,
	[WIRE_ACK] = input_stream,
	[WIRE_WASK] = input_stream,
	[WIRE_WINS] = input_stream,
	[WIRE_PING] = input_ping,
	[WIRE_PONG] = input_pong,
	[WIRE_RST] = input_rst,
	[WIRE_CHALLENGE] = input_challenge,
	[WIRE_RESPONSE] = input_response,
	[WIRE_PARITY] = input_parity,
	[WIRE_ECN] = input_ecn,
};

static void
input_frames(struct session *s, const struct path *path, const uint8_t *plain, size_t len, uint64_t now)
{
	struct wire_reader reader;
	struct wire_frame frame;

	if (wire_reader_init(&reader, WIRE_SESSION, 0, plain, len) != 0)
		return;
	while (wire_next(&reader, &frame) == 1) {
		input_frame[frame.type](s, path, &frame, now);
		if (frame.type == WIRE_RST)
			break;
	}
	if (session_streaming(s)) {
		kcp_input_done(s->kcp, now);
		session_progress(s, now);
	} else {
		session_check_finished(s, now);
	}
}

/* Datagrams that parity makes up for are as good as received; their numbers tell which of two came first. */
static void
input_restored(struct session *s, const struct path *path, uint64_t now)
{
	const uint8_t *plain;
	uint32_t low;
	uint64_t pn;
	size_t len;

	while (!s->dead && s->state != SESSION_CLOSED && (plain = session_fec_restored(s, &low, &len)) != NULL) {
		pn = replay_expand(&s->replay, low);
		if (replay_check(&s->replay, pn) != 0)
			continue;
		replay_record(&s->replay, s->endpoint->mem, pn);
		input_frames(s, path, plain, len, now);
	}
}

int
session_input_data(struct session *s, const struct path *path, uint8_t *d, size_t len, uint64_t now)
{
	uint8_t *plain;
	bool newest;
	uint64_t pn;
	int n, error;

	if (!session_sealed(s))
		return KCPSHIM_E_STATE;
	if (len < SESSION_HEADER_LEN)
		return KCPSHIM_E_SHORT;
	pn = replay_expand(&s->replay, bytes_get32(d + 5));
	error = replay_check(&s->replay, pn);
	if (error != 0)
		goto dropped;
	n = session_seal_open(s, pn, d, len, &plain, now);
	error = n < 0 ? n : 0;
	if (error != 0)
		goto dropped;
	if (s->state == SESSION_ACCEPTING && (error = session_prove(s, now)) != 0)
		return error;
	newest = pn >= s->replay.next;
	replay_record(&s->replay, s->endpoint->mem, pn);
	s->datagrams_received++;
	s->wire_bytes_received += len;
	session_ecn_received(s);
	session_alive(s, now);
	/* The kernel may have chosen our address only when the first datagram was sent. */
	if (s->path.local.family == 0)
		s->path.local = path->local;
	session_roam_seen(s, path, newest, now);
	session_fec_received(s, pn, plain, (size_t)n);
	input_frames(s, path, plain, (size_t)n, now);
	input_restored(s, path, now);
	endpoint_mark_due(s);
	return 0;
dropped:
	s->dropped++;
	return error;
}

/* What the reader, the writer and the engine have to know after `kcp` changed. */
void
session_progress(struct session *s, uint64_t now)
{
	size_t ready = kcp_recv_ready(s->kcp);

	if (s->plain)
		session_progress_plain(s, now);
	else if (s->closed && ready > 0 && s->state == SESSION_ESTABLISHED) {
		session_end(s, KCPSHIM_E_RESET, true, now);
		return;
	}
	if (ready > s->ready_seen && !s->closed) {
		s->ready_seen = ready;
		session_event(s, SESSION_EV_READABLE);
	}
	if (!s->got_fin && kcp_recv_fin_received(s->kcp)) {
		s->got_fin = true;
		session_event(s, SESSION_EV_READABLE);
	}
	if (s->want_write && kcp_send_roomy(s->kcp)) {
		s->want_write = false;
		session_event(s, SESSION_EV_WRITABLE);
	}
	if (s->undrained && kcp_send_drained(s->kcp)) {
		s->undrained = false;
		session_event(s, SESSION_EV_DRAINED);
	}
	session_check_finished(s, now);
	if (s->closed && !s->plain && s->state == SESSION_ESTABLISHED && !s->got_fin && !s->undrained && s->clocks[SESSION_CLOCK_END] == TIMER_NEVER)
		s->clocks[SESSION_CLOCK_END] = now + SESSION_ORPHAN_US;
}

/* RST goes alone: nothing else matters behind it. */
static bool
put_control(struct session *s, struct wire_writer *w)
{
	struct wire_frame rst = { .type = WIRE_RST, .code = SESSION_RST_ABORTED };
	struct wire_frame done = { .type = WIRE_RST, .code = SESSION_RST_DONE };
	struct wire_frame pong = { .type = WIRE_PONG, .token = s->pong_token };
	struct wire_frame ping = { .type = WIRE_PING, .token = s->ping_token };
	struct wire_frame response = { .type = WIRE_RESPONSE, .token = s->response_token };

	if (s->control & SESSION_CTL_RST) {
		s->control = 0;
		return wire_put(w, &rst);
	}
	if (s->control & SESSION_CTL_DONE && wire_put(w, &done))
		s->control &= (uint8_t)~SESSION_CTL_DONE;
	if (s->control & SESSION_CTL_PONG && wire_put(w, &pong))
		s->control &= (uint8_t)~SESSION_CTL_PONG;
	if (s->control & SESSION_CTL_RESPONSE && wire_put(w, &response))
		s->control &= (uint8_t)~SESSION_CTL_RESPONSE;
	if (s->control & SESSION_CTL_PING && wire_put(w, &ping))
		s->control &= (uint8_t)~SESSION_CTL_PING;
	return !wire_writer_empty(w);
}

/* Alone, because only it goes to the address that is not proven yet. */
static bool
put_challenge(struct session *s, struct path *path, struct wire_writer *w)
{
	struct wire_frame challenge = { .type = WIRE_CHALLENGE, .token = s->roam->token };

	s->control &= (uint8_t)~SESSION_CTL_CHALLENGE;
	*path = s->roam->path;
	return wire_put(w, &challenge);
}

static bool
put_frames(struct session *s, struct path *path, struct wire_writer *w, uint64_t now)
{
	*path = s->path;
	if (s->control == 0)
		return session_streaming(s) && kcp_output(s->kcp, w, now);
	wire_writer_stamp(w, 0, 0, (uint32_t)now);
	if (s->control & SESSION_CTL_CHALLENGE && s->roam != NULL)
		return put_challenge(s, path, w);
	return put_control(s, w);
}

size_t
session_output_data(struct session *s, struct path *path, uint8_t *buf, size_t cap, uint64_t now)
{
	struct wire_writer w;
	uint8_t *body;
	size_t room, len;
	bool probe;

	if (!session_sealed(s))
		return 0;
	body = session_seal_begin(s, buf, cap, &room, now);
	wire_writer_init(&w, WIRE_SESSION, 0, body, room);
	if (session_fec_due(s) && session_streaming(s)) {
		*path = s->path;
		w.len = session_fec_put(s, body, room, now);
		len = w.len > 0 ? session_seal_finish(s, buf, w.len, now) : 0;
		session_ecn_sent(s, len, false, now);
		return len;
	}
	probe = session_ecn_probe(s, &w, now);
	if (!probe && !put_frames(s, path, &w, now))
		return 0;
	session_ecn_echo(s, &w);
	session_fec_sent(s, body, w.len, now);
	len = session_seal_finish(s, buf, w.len, now);
	if (s->kcp != NULL) {
		session_pmtu_sent(s, len, now);
		session_ecn_sent(s, len, probe, now);
	}
	return len;
}
