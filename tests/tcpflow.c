#include "tcpflow.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/seq.h"
#include "core/wire.h"

#define RING 16384u
#define INITIAL_WINDOW 10
#define DUPTHRESH 3u
#define RTO_MIN_US 200000u
#define CUBIC_C 0.4
#define CUBIC_BETA 0.7

enum state { SENT, LOST, ACKED };

struct seg {
	uint64_t sent_at;
	uint8_t state;
	bool again;
};

struct tcpflow {
	uint32_t conv, mtu, mss;
	bool cubic;
	struct seg *ring;
	uint32_t una, nxt, high, recover;  /* high: one after the latest acknowledged */
	uint32_t inflight, lost;
	double cwnd, ssthresh;
	bool recovering;
	double w_max, k, w_est;            /* RFC 9438 */
	uint64_t epoch;
	uint64_t srtt, rttvar, timer;
};

static struct seg *
at(struct tcpflow *f, uint32_t sn)
{
	return &f->ring[sn % RING];
}

struct tcpflow *
tcpflow_new(uint32_t conv, uint32_t mtu, bool cubic)
{
	struct tcpflow *f = calloc(1, sizeof(*f));

	if (f == NULL || (f->ring = calloc(RING, sizeof(*f->ring))) == NULL)
		abort();
	f->conv = conv;
	f->mtu = mtu;
	f->mss = mtu - WIRE_PLAIN_HEADER;
	f->cubic = cubic;
	f->cwnd = INITIAL_WINDOW;
	f->ssthresh = RING;
	f->srtt = 100000;
	f->rttvar = 50000;
	f->timer = UINT64_MAX;
	return f;
}

void
tcpflow_free(struct tcpflow *f)
{
	free(f->ring);
	free(f);
}

static uint64_t
rto(const struct tcpflow *f)
{
	uint64_t t = f->srtt + 4 * f->rttvar;

	return t > RTO_MIN_US ? t : RTO_MIN_US;
}

static void
reduce(struct tcpflow *f)
{
	if (f->cubic) {
		/* Fast convergence (4.7). */
		f->w_max = f->cwnd < f->w_max ? f->cwnd * (1 + CUBIC_BETA) / 2 : f->cwnd;
		f->cwnd *= CUBIC_BETA;
	} else {
		f->cwnd /= 2;
	}
	f->cwnd = f->cwnd < 2 ? 2 : f->cwnd;
	f->ssthresh = f->cwnd;
	f->epoch = 0;
	f->recovering = true;
	f->recover = f->nxt;
}

static void
grow(struct tcpflow *f, uint64_t now)
{
	double t, target;

	if (f->cwnd < f->ssthresh) {
		f->cwnd++;
		return;
	}
	if (!f->cubic) {
		f->cwnd += 1 / f->cwnd;
		return;
	}
	if (f->epoch == 0) {
		f->epoch = now;
		f->w_max = f->w_max < f->cwnd ? f->cwnd : f->w_max;
		f->k = cbrt((f->w_max - f->cwnd) / CUBIC_C);
		f->w_est = f->cwnd;
	}
	t = (double)(now - f->epoch + f->srtt) * 1e-6 - f->k;
	target = f->w_max + CUBIC_C * t * t * t;
	target = target > 1.5 * f->cwnd ? 1.5 * f->cwnd : target;
	f->w_est += 3 * (1 - CUBIC_BETA) / (1 + CUBIC_BETA) / f->cwnd;
	if (target > f->cwnd)
		f->cwnd += (target - f->cwnd) / f->cwnd;
	if (f->cwnd < f->w_est)
		f->cwnd = f->w_est;
}

static void
acked(struct tcpflow *f, uint32_t sn, uint64_t now)
{
	struct seg *s = at(f, sn);
	uint64_t rtt = now - s->sent_at, diff;

	if (s->state == SENT)
		f->inflight--;
	else if (s->state == LOST)
		f->lost--;
	else
		return;
	s->state = ACKED;
	if (!s->again) {
		diff = rtt > f->srtt ? rtt - f->srtt : f->srtt - rtt;
		f->rttvar = (3 * f->rttvar + diff) / 4;
		f->srtt = (7 * f->srtt + rtt) / 8;
		if (seq_after(sn + 1, f->high))
			f->high = sn + 1;
	}
	if (!f->recovering)
		grow(f, now);
	f->timer = now + rto(f);
}

void
tcpflow_input(struct tcpflow *f, const uint8_t *buf, size_t len, uint64_t now)
{
	struct wire_reader r;
	struct wire_frame fr;

	wire_reader_init(&r, WIRE_PLAIN, f->conv, buf, len);
	while (wire_next(&r, &fr) > 0) {
		for (; seq_before(f->una, fr.una) && f->una != f->nxt; f->una++)
			acked(f, f->una, now);
		if (fr.type == WIRE_ACK && !seq_before(fr.sn, f->una) && seq_before(fr.sn, f->nxt))
			acked(f, fr.sn, now);
	}
	if (f->recovering && !seq_before(f->una, f->recover))
		f->recovering = false;
	for (uint32_t sn = f->una; seq_before(sn + DUPTHRESH, f->high); sn++) {
		struct seg *s = at(f, sn);

		if (s->state != SENT || s->again)
			continue;
		s->state = LOST;
		f->inflight--;
		f->lost++;
		if (!f->recovering)
			reduce(f);
	}
	if (f->una == f->nxt)
		f->timer = UINT64_MAX;
}

static void
timeout(struct tcpflow *f, uint64_t now)
{
	for (uint32_t sn = f->una; sn != f->nxt; sn++) {
		struct seg *s = at(f, sn);

		if (s->state != SENT)
			continue;
		s->state = LOST;
		f->inflight--;
		f->lost++;
	}
	reduce(f);
	f->cwnd = 1;
	f->recovering = false;
	f->timer = now + 2 * rto(f);
}

size_t
tcpflow_output(struct tcpflow *f, uint8_t *buf, uint64_t now)
{
	static const uint8_t zero[2048];
	struct wire_frame fr = { .type = WIRE_DATA, .data = zero, .len = f->mss };
	struct wire_writer w;
	struct seg *s;

	if (f->timer <= now)
		timeout(f, now);
	if (f->inflight >= (uint32_t)f->cwnd || (f->lost == 0 && f->nxt - f->una >= RING / 4))
		return 0;
	fr.sn = f->nxt;
	if (f->lost > 0)
		for (fr.sn = f->una; at(f, fr.sn)->state != LOST; fr.sn++)
			;
	s = at(f, fr.sn);
	if (f->lost > 0) {
		f->lost--;
		s->again = true;
	} else {
		f->nxt++;
		s->again = false;
	}
	s->state = SENT;
	s->sent_at = now;
	f->inflight++;
	if (f->timer == UINT64_MAX)
		f->timer = now + rto(f);
	wire_writer_init(&w, WIRE_PLAIN, f->conv, buf, f->mtu);
	wire_writer_stamp(&w, 0, 128, (uint32_t)now);
	wire_put(&w, &fr);
	return w.len;
}

uint64_t
tcpflow_deadline(const struct tcpflow *f)
{
	return f->timer;
}
