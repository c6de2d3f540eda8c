#include "session_impl.h"

#include <string.h>

#include "bytes.h"
#include "endpoint_impl.h"
#include "error.h"

static void
input_stream(struct session *s, const struct wire_frame *f, uint64_t now)
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
input_ping(struct session *s, const struct wire_frame *f, uint64_t now)
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
input_rst(struct session *s, const struct wire_frame *f, uint64_t now)
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
input_ignore(struct session *s, const struct wire_frame *f, uint64_t now)
{
}

static void (*const input_frame[])(struct session *, const struct wire_frame *, uint64_t) = {
	[WIRE_DATA] = input_stream,
	[WIRE_ACK] = input_stream,
	[WIRE_WASK] = input_stream,
	[WIRE_WINS] = input_stream,
	[WIRE_PING] = input_ping,
	[WIRE_PONG] = input_ignore,
	[WIRE_RST] = input_rst,
	[WIRE_CHALLENGE] = input_ignore,
	[WIRE_RESPONSE] = input_ignore,
};

static void
input_frames(struct session *s, const uint8_t *plain, size_t len, uint64_t now)
{
	struct wire_reader reader;
	struct wire_frame frame;

	if (wire_reader_init(&reader, WIRE_SESSION, 0, plain, len) != 0)
		return;
	while (wire_next(&reader, &frame) == 1) {
		input_frame[frame.type](s, &frame, now);
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

int
session_input_data(struct session *s, uint8_t *d, size_t len, uint64_t now)
{
	uint8_t *plain;
	uint64_t pn;
	int n, error;

	if (s->rx == NULL)
		return KCPSHIM_E_STATE;
	if (len < SESSION_HEADER_LEN)
		return KCPSHIM_E_SHORT;
	pn = replay_expand(&s->replay, bytes_get32(d + 5));
	error = replay_check(&s->replay, pn);
	if (error != 0)
		goto dropped;
	n = seal_open(s->rx, pn, d, SESSION_HEADER_LEN, d + SESSION_HEADER_LEN, len - SESSION_HEADER_LEN, &plain);
	error = n < 0 ? n : 0;
	if (error != 0)
		goto dropped;
	if (s->state == SESSION_ACCEPTING && (error = session_prove(s, now)) != 0)
		return error;
	replay_record(&s->replay, pn);
	s->datagrams_received++;
	s->wire_bytes_received += len;
	session_alive(s, now);
	input_frames(s, plain, (size_t)n, now);
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
	if (s->want_write && kcp_send_room(s->kcp) > 0) {
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

	if (s->control & SESSION_CTL_RST) {
		s->control = 0;
		return wire_put(w, &rst);
	}
	if (s->control & SESSION_CTL_DONE && wire_put(w, &done))
		s->control &= (uint8_t)~SESSION_CTL_DONE;
	if (s->control & SESSION_CTL_PONG && wire_put(w, &pong))
		s->control &= (uint8_t)~SESSION_CTL_PONG;
	if (s->control & SESSION_CTL_PING && wire_put(w, &ping))
		s->control &= (uint8_t)~SESSION_CTL_PING;
	return !wire_writer_empty(w);
}

size_t
session_output_data(struct session *s, uint8_t *buf, size_t cap, uint64_t now)
{
	uint8_t *body = buf + SESSION_HEADER_LEN, rnd[16] = { 0 };
	struct wire_writer w;
	size_t room;
	int n;

	if (s->tx == NULL || cap <= SESSION_HEADER_LEN)
		return 0;
	room = seal_room(s->tx, cap - SESSION_HEADER_LEN);
	wire_writer_init(&w, WIRE_SESSION, 0, body + seal_head(s->tx), room);
	if (s->control != 0) {
		wire_writer_stamp(&w, 0, 0, (uint32_t)now);
		if (!put_control(s, &w))
			return 0;
	} else if (!session_streaming(s) || !kcp_output(s->kcp, &w, now)) {
		return 0;
	}
	bytes_put32(buf, s->peer_cid);
	buf[4] = SESSION_KIND_DATA;
	bytes_put32(buf + 5, (uint32_t)s->tx_pn);
	n = seal_protect(s->tx, s->tx_pn, buf, SESSION_HEADER_LEN, body, w.len, rnd);
	if (n < 0)
		return 0;
	s->tx_pn++;
	return SESSION_HEADER_LEN + (size_t)n;
}
