/* bench_kcp: nanoseconds for one segment: reserved, put into a datagram, received, read, acknowledged.
 *
 * A datagram under way is its first bytes only: the network's memory is not the ARQ's, and what the payload says is of no interest.
 * So each byte is copied twice, from the window's memory to the datagram and from the datagram to the receiver's. The last row is
 * that alone: two copies of a segment, the first from a window of memory. */
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

#define KEPT 32u     /* first bytes of a datagram: every header before the payload */
#define DATAGRAM_MAX 2048u

struct datagram {
	uint32_t len;
	uint8_t bytes[KEPT];
};

struct bench {
	struct kcp *a, *b;
	enum wire_codec codec;
	uint32_t mss, mtu;
	uint64_t now;
	uint8_t buf[DATAGRAM_MAX];
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
output(struct bench *x, struct kcp *k)
{
	struct wire_writer w;

	wire_writer_init(&w, x->codec, 1, x->buf, x->mtu);
	return kcp_output(k, &w, x->now) ? w.len : 0;
}

static void
input(struct bench *x, struct kcp *k, size_t len)
{
	struct wire_reader r;
	struct wire_frame f;

	wire_reader_init(&r, x->codec, 1, x->buf, len);
	while (wire_next(&r, &f) > 0)
		kcp_input(k, &f, x->now);
	kcp_input_done(k, x->now);
}

static void
send_one(struct datagram *d, const uint8_t *buf, size_t len)
{
	d->len = (uint32_t)len;
	memcpy(d->bytes, buf, KEPT);
}

/* `window` segments are always under way; every `hole`-th datagram is lost once (0: none). */
static double
run(enum wire_codec codec, uint32_t window, uint32_t mtu, unsigned hole, uint64_t segments)
{
	struct mem *m = mem_new(0);
	struct bench x = { .codec = codec, .now = 1000000 };
	size_t head = 0, count = 0, slots = window + BATCH, len;
	struct datagram *fly = calloc(slots, sizeof(*fly));
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
	if (fly == NULL || x.a == NULL || x.b == NULL)
		abort();
	for (uint64_t total = segments + 2 * window; sent < total; ) {
		if (start == 0 && sent >= 2 * window)
			start = clock_ns();
		fill(&x);
		while (count < window && (len = output(&x, x.a)) > 0) {
			sent++;
			if (hole != 0 && sent % hole == 0)
				continue;
			send_one(&fly[(head + count++) % slots], x.buf, len);
		}
		for (unsigned n = 0; n < BATCH && count > 0; n++, count--, head = (head + 1) % slots) {
			memcpy(x.buf, fly[head].bytes, KEPT);
			input(&x, x.b, fly[head].len);
		}
		kcp_recv_consume(x.b, kcp_recv_ready(x.b), x.now);
		while ((len = output(&x, x.b)) > 0)
			input(&x, x.a, len);
		/* The round trip stays at 100 ms, whatever the window. */
		x.now += 100000u * BATCH / window + 1;
	}
	start = clock_ns() - start;
	kcp_get_info(x.b, &i);
	mem_destroy(m);
	free(fly);
	return (double)start / (double)segments;
}

/* What the copies of a segment's bytes cost by themselves. */
static double
copies(uint32_t window, size_t len, uint64_t segments)
{
	size_t stride = (len + 127) / 128 * 128;
	uint8_t *memory = malloc(window * stride), datagram[DATAGRAM_MAX], received[DATAGRAM_MAX];
	volatile uint8_t sum = 0;
	uint64_t start;

	if (memory == NULL)
		abort();
	memset(memory, 1, window * stride);
	start = clock_ns();
	for (uint64_t i = 0; i < segments; i++) {
		memcpy(datagram, memory + i % window * stride, len);
		__asm__ volatile("" : : "r"(datagram) : "memory");
		memcpy(received, datagram, len);
		__asm__ volatile("" : : "r"(received) : "memory");
		sum = (uint8_t)(sum + received[i % len]);
	}
	start = clock_ns() - start;
	free(memory);
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
	printf("%-30s", "two copies of 1389 bytes alone");
	for (size_t w = 0; w < 4; w++) {
		double best = 1e9;

		for (int n = 0; n < 5; n++) {
			double t = copies(windows[w], 1389, 400000);

			best = t < best ? t : best;
		}
		printf(" %8.0f", best);
	}
	printf("\n");
	return 0;
}
