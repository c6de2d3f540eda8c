#include "simflow.h"

#include <stdlib.h>
#include <string.h>

#include "simprofile.h"

#define EPOCH 1000000u    /* the clock does not start at 0 */

static void
flow_init(struct simflow *f, unsigned conv)
{
	struct kcp_config c;

	f->cfg.conv = conv;
	f->mem = mem_new(0);
	c = f->cfg;
	c.ack_delay_us = f->peer_ack_delay_us;
	f->rx = kcp_new(f->mem, &c, EPOCH);
	if (f->sender == SIMFLOW_RENO || f->sender == SIMFLOW_CUBIC) {
		f->tcp = tcpflow_new(conv, f->cfg.mtu, f->sender == SIMFLOW_CUBIC);
	} else if (f->sender == SIMFLOW_CLASSIC) {
		struct classic_config cc = *f->classic;

		cc.conv = conv;
		f->old = classic_new(&cc);
	} else {
		f->tx = kcp_new(f->mem, &f->cfg, EPOCH);
	}
	if (f->tx != NULL && f->handshake_rtt != 0) {
		kcp_seed_rtt(f->tx, f->handshake_rtt, EPOCH);
		kcp_seed_rtt(f->rx, f->handshake_rtt, EPOCH);
	}
	f->start += EPOCH;
	f->next_message = f->start;
}

void
simnet_init(struct simnet *n, struct simflow *flows, unsigned nflows, const struct simlink_config *ab,
    const struct simlink_config *ba, uint64_t seed)
{
	memset(n, 0, sizeof(*n));
	simlink_init(&n->ab, ab, seed * 2 + 1);
	simlink_init(&n->ba, ba, seed * 2 + 2);
	if (ab->profile != NULL)
		simprofile_init(&n->ab, true, seed * 2 + 1);
	if (ba->profile != NULL)
		simprofile_init(&n->ba, false, seed * 2 + 2);
	n->flows = flows;
	n->nflows = nflows;
	n->now = EPOCH;
	for (unsigned i = 0; i < nflows; i++)
		flow_init(&flows[i], i + 1);
}

void
simnet_dispose(struct simnet *n)
{
	for (unsigned i = 0; i < n->nflows; i++) {
		struct simflow *f = &n->flows[i];

		kcp_free(f->tx);
		kcp_free(f->rx);
		if (f->old != NULL)
			classic_free(f->old);
		if (f->tcp != NULL)
			tcpflow_free(f->tcp);
		mem_destroy(f->mem);
		free(f->sent_at);
		free(f->latency);
	}
	simlink_dispose(&n->ab);
	simlink_dispose(&n->ba);
}

static size_t
write_some(struct simflow *f, size_t len, uint64_t now)
{
	struct iovec iov[16];
	size_t n = 0, done = 0;

	if (f->old != NULL) {
		done = classic_room(f->old) < len ? classic_room(f->old) : len;
		classic_write(f->old, done);
		return done;
	}
	while (done < len) {
		int parts = kcp_send_reserve(f->tx, iov, 16, len - done);

		if (parts == 0)
			break;
		n = 0;
		for (int i = 0; i < parts; i++) {
			memset(iov[i].iov_base, 0, iov[i].iov_len);
			n += iov[i].iov_len;
		}
		kcp_send_commit(f->tx, n, now);
		done += n;
	}
	return done;
}

static void
flow_write(struct simflow *f, uint64_t now)
{
	if (now < f->start || f->tcp != NULL)
		return;
	if (f->message == 0) {
		while (write_some(f, 65536, now) == 65536)
			;
		return;
	}
	for (; f->next_message <= now; f->next_message += f->period) {
		if (f->messages == f->cap) {
			f->cap = f->cap != 0 ? 2 * f->cap : 1024;
			f->sent_at = realloc(f->sent_at, f->cap * sizeof(*f->sent_at));
			f->latency = realloc(f->latency, f->cap * sizeof(*f->latency));
			if (f->sent_at == NULL || f->latency == NULL)
				abort();
		}
		f->latency[f->messages] = UINT32_MAX;
		f->sent_at[f->messages++] = f->next_message;
		if (write_some(f, f->message, now) != f->message)
			abort();
	}
}

static void
flow_read(struct simflow *f, uint64_t now)
{
	size_t n = kcp_recv_ready(f->rx);

	if (n == 0)
		return;
	f->bytes += n;
	kcp_recv_consume(f->rx, n, now);
	if (f->message > 0)
		for (; (f->arrived + 1) * f->message <= f->bytes; f->arrived++)
			f->latency[f->arrived] = (uint32_t)(now - f->sent_at[f->arrived]);
	if (f->tx != NULL) {
		struct kcp_info i;

		kcp_get_info(f->tx, &i);
		f->rtt_sum += i.srtt_us;
		f->rtt_n++;
	}
}

static void
feed(struct kcp *k, const struct simflow *f, const uint8_t *buf, size_t len, uint64_t now)
{
	struct wire_reader r;
	struct wire_frame fr;

	if (wire_reader_init(&r, f->cfg.codec, f->cfg.conv, buf, len) < 0)
		return;
	while (wire_next(&r, &fr) > 0)
		kcp_input(k, &fr, now);
	kcp_input_done(k, now);
}

static void
arrivals(struct simnet *n, struct simlink *l, bool to_rx)
{
	uint8_t buf[SIMLINK_MAX];
	size_t len;

	/* The first byte tells the flow. */
	while ((len = simlink_take(l, buf, n->now)) > 0) {
		struct simflow *f = &n->flows[buf[0]];

		if (to_rx)
			feed(f->rx, f, buf + 1, len - 1, n->now);
		else if (f->tcp != NULL)
			tcpflow_input(f->tcp, buf + 1, len - 1, n->now);
		else if (f->old != NULL)
			classic_input(f->old, buf + 1, len - 1, n->now);
		else
			feed(f->tx, f, buf + 1, len - 1, n->now);
		if (to_rx)
			flow_read(f, n->now);
	}
}

static size_t
next_datagram(struct simflow *f, struct kcp *k, uint8_t *buf, uint64_t now)
{
	struct wire_writer w;

	if (k == NULL && f->tcp != NULL)
		return now >= f->start ? tcpflow_output(f->tcp, buf, now) : 0;
	if (k == NULL)
		return classic_output(f->old, buf, now);
	wire_writer_init(&w, f->cfg.codec, f->cfg.conv, buf, f->cfg.mtu);
	return kcp_output(k, &w, now) ? w.len : 0;
}

static void
departures(struct simnet *n, unsigned i, bool from_rx)
{
	struct simflow *f = &n->flows[i];
	struct simlink *l = from_rx ? &n->ba : &n->ab;
	uint8_t buf[SIMLINK_MAX];
	size_t len;

	while ((len = next_datagram(f, from_rx ? f->rx : f->tx, buf + 1, n->now)) > 0) {
		buf[0] = (uint8_t)i;
		simlink_send(l, buf, len + 1, n->now);
		if (!from_rx) {
			f->datagrams++;
			f->wire_bytes += len + SIMLINK_OVERHEAD;
		}
	}
}

static uint64_t
earliest(const struct simnet *n)
{
	uint64_t at = simlink_next(&n->ab), t = simlink_next(&n->ba);

	at = t < at ? t : at;
	for (unsigned i = 0; i < n->nflows; i++) {
		const struct simflow *f = &n->flows[i];

		t = kcp_deadline(f->rx);
		at = t < at ? t : at;
		t = f->tcp != NULL ? tcpflow_deadline(f->tcp) : f->old != NULL ? classic_deadline(f->old, n->now) : kcp_deadline(f->tx);
		at = t < at ? t : at;
		t = n->now < f->start ? f->start : f->message > 0 ? f->next_message : UINT64_MAX;
		at = t < at ? t : at;
	}
	return at;
}

void
simnet_run(struct simnet *n, uint64_t until)
{
	unsigned stuck = 0;

	until += EPOCH;
	for (;;) {
		uint64_t next;

		arrivals(n, &n->ab, true);
		arrivals(n, &n->ba, false);
		for (unsigned i = 0; i < n->nflows; i++) {
			flow_write(&n->flows[i], n->now);
			departures(n, i, false);
			departures(n, i, true);
		}
		next = earliest(n);
		if (next > until)
			break;
		stuck = next <= n->now ? stuck + 1 : 0;
		if (stuck > 10000)
			abort();
		if (next > n->now)
			n->now = next;
	}
	n->now = until;
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

uint32_t
simflow_quantile(const struct simflow *f, double q, uint64_t before)
{
	uint32_t *sorted, v;
	size_t n = 0;

	while (n < f->messages && f->sent_at[n] < before + EPOCH)
		n++;
	if (n == 0 || (sorted = malloc(n * sizeof(*sorted))) == NULL)
		return UINT32_MAX;
	memcpy(sorted, f->latency, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare);
	v = sorted[(size_t)(q * (double)(n - 1))];
	free(sorted);
	return v;
}

uint64_t
simflow_retransmits(const struct simflow *f)
{
	struct kcp_info i;

	if (f->tx == NULL)
		return f->old != NULL ? classic_retransmits(f->old) : 0;
	kcp_get_info(f->tx, &i);
	return i.retransmits;
}

double
simnet_jain(const struct simnet *n)
{
	double sum = 0, squares = 0;

	for (unsigned i = 0; i < n->nflows; i++) {
		double x = (double)n->flows[i].bytes;

		sum += x;
		squares += x * x;
	}
	return squares > 0 ? sum * sum / ((double)n->nflows * squares) : 0;
}
