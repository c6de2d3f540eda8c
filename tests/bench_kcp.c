/* bench_kcp: nanoseconds for one segment: written, put into a datagram, received, read, acknowledged. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/kcp.h"
#include "core/mem.h"

#define BATCH 32u    /* datagrams between two acknowledgements, as one recvmmsg() brings */

static uint64_t
clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

struct datagram {
	size_t len;
	uint8_t bytes[];
};

struct bench {
	struct kcp *a, *b;
	enum wire_codec codec;
	uint32_t mss, mtu;
	uint64_t now;
};

static void
fill(struct bench *x)
{
	struct iovec iov[64];

	while (kcp_send_room(x->a) >= x->mss) {
		size_t len = 0;
		int n = kcp_send_reserve(x->a, iov, 64, SIZE_MAX);

		if (n == 0)
			break;
		for (int i = 0; i < n; i++)
			len += iov[i].iov_len;
		kcp_send_commit(x->a, len, x->now);
	}
}

static size_t
output(struct bench *x, struct kcp *k, struct datagram *d)
{
	struct wire_writer w;

	wire_writer_init(&w, x->codec, 1, d->bytes, x->mtu);
	d->len = kcp_output(k, &w, x->now) ? w.len : 0;
	return d->len;
}

static void
input(struct bench *x, struct kcp *k, const struct datagram *d)
{
	struct wire_reader r;
	struct wire_frame f;

	wire_reader_init(&r, x->codec, 1, d->bytes, d->len);
	while (wire_next(&r, &f) > 0)
		kcp_input(k, &f, x->now);
	kcp_input_done(k, x->now);
}

/* `window` segments are always under way; every `hole`-th datagram is lost once (0: none). */
static double
run(enum wire_codec codec, uint32_t window, uint32_t mtu, unsigned hole, uint64_t segments)
{
	struct mem *m = mem_new(0);
	struct bench x = { .codec = codec, .now = 1000000 };
	/* Datagrams under way lie as close as they can, so that the bench's own memory weighs little. */
	size_t stride = (sizeof(struct datagram) + mtu + 63) / 64 * 64, head = 0, count = 0, slots = window + BATCH;
	uint8_t *fly = calloc(slots, stride);
	struct datagram *ack = calloc(1, stride);
	uint64_t sent = 0, start = 0;
	struct kcp_config c;
	struct kcp_info i;

	kcp_config_default(&c, codec);
	c.conv = 1;
	c.mtu = mtu;
	c.snd_wnd = c.rcv_wnd = c.rmt_wnd = window;
	c.cc = KCP_CC_NONE;
	x.a = kcp_new(m, &c, x.now);
	x.b = kcp_new(m, &c, x.now);
	x.mss = mtu - (uint32_t)wire_data_overhead(codec) - (codec == WIRE_SESSION ? WIRE_SESSION_PREFIX : 0);
	x.mtu = mtu;
	if (fly == NULL || ack == NULL || x.a == NULL || x.b == NULL)
		abort();
	for (uint64_t total = segments + 2 * window; sent < total; ) {
		if (start == 0 && sent >= 2 * window)
			start = clock_ns();
		fill(&x);
		while (count < window && output(&x, x.a, (struct datagram *)(fly + (head + count) % slots * stride)) > 0) {
			sent++;
			if (hole == 0 || sent % hole != 0)
				count++;
		}
		for (unsigned n = 0; n < BATCH && count > 0; n++, count--, head = (head + 1) % slots)
			input(&x, x.b, (struct datagram *)(fly + head * stride));
		kcp_recv_consume(x.b, kcp_recv_ready(x.b), x.now);
		while (output(&x, x.b, ack) > 0)
			input(&x, x.a, ack);
		/* The round trip stays at 100 ms, whatever the window. */
		x.now += 100000u * BATCH / window + 1;
	}
	start = clock_ns() - start;
	kcp_get_info(x.b, &i);
	mem_destroy(m);
	free(fly);
	free(ack);
	return (double)start / (double)segments;
}

int
main(void)
{
	static const uint32_t windows[] = { 128, 1024, 8192, 65535 };
	static const struct {
		const char *name;
		enum wire_codec codec;
		uint32_t mtu;
		unsigned hole;
	} rows[] = {
		{ "session, 64-byte segments", WIRE_SESSION, 64 + 11, 0 },
		{ "session, 64-byte, 1 of 20 lost", WIRE_SESSION, 64 + 11, 20 },
		{ "plain, 64-byte segments", WIRE_PLAIN, 64 + 24, 0 },
		{ "plain, 64-byte, 1 of 20 lost", WIRE_PLAIN, 64 + 24, 20 },
		{ "session, 1389-byte segments", WIRE_SESSION, 1400, 0 },
		{ "plain, 1376-byte segments", WIRE_PLAIN, 1400, 0 },
	};

	printf("ns per segment; window       ");
	for (size_t w = 0; w < 4; w++)
		printf(" %8u", windows[w]);
	printf("\n");
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		printf("%-30s", rows[r].name);
		for (size_t w = 0; w < 4; w++) {
			double best = 1e9;

			for (int n = 0; n < 5; n++) {
				double t = run(rows[r].codec, windows[w], rows[r].mtu, rows[r].hole, 400000);

				best = t < best ? t : best;
			}
			printf(" %8.0f", best);
			fflush(stdout);
		}
		printf("\n");
	}
	return 0;
}
