/* fuzz_frames: what a peer that holds the key may put into its datagrams, given to an ARQ that sends and receives.
 *
 * Input, again and again: what else happens (1 byte), length (1), plaintext of one datagram. Whatever comes, memory stays
 * bounded, what is sent keeps the mtu, and nothing is read or written out of bounds.
 */
#include <string.h>

#include "core/kcp.h"
#include "core/mem.h"
#include "fuzz.h"

#define MEMORY_MAX (4u << 20)
#define WINDOW 64u

static void
write_some(struct kcp *k, size_t len, uint64_t now)
{
	struct iovec iov[4];
	int n = kcp_send_reserve(k, iov, 4, len);
	size_t got = 0;

	for (int i = 0; i < n; i++) {
		memset(iov[i].iov_base, 'w', iov[i].iov_len);
		got += iov[i].iov_len;
	}
	kcp_send_commit(k, got, now);
}

static void
drain(struct kcp *k, uint32_t mtu, uint64_t now)
{
	uint8_t buf[2048];
	struct wire_writer w;
	struct iovec iov;

	for (int i = 0; i < 100; i++) {
		wire_writer_init(&w, WIRE_SESSION, 0, buf, sizeof(buf));
		if (!kcp_output(k, &w, now))
			break;
		FUZZ_CHECK(w.len <= mtu);
	}
	if (kcp_recv_peek(k, &iov, 1) == 1)
		kcp_recv_consume(k, iov.iov_len, now);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint32_t mtus[] = { 1400, 1200, 548, 60 };
	struct mem *mem = mem_new(0);
	struct kcp_config c;
	uint64_t now = 1000000;
	uint32_t mtu = 1400;
	struct kcp *k;

	kcp_config_default(&c, WIRE_SESSION);
	c.snd_wnd = c.rcv_wnd = WINDOW;
	k = kcp_new(mem, &c, now);
	FUZZ_CHECK(k != NULL);
	while (len >= 2) {
		size_t n = data[1] < len - 2 ? data[1] : len - 2;
		struct wire_reader r;
		struct wire_frame f;

		if (data[0] & 1)
			write_some(k, 1 + data[0] * 64u, now);
		if (data[0] & 2) {
			mtu = mtus[data[0] >> 6];
			FUZZ_CHECK(kcp_set_mtu(k, mtu, now) == 0);
		}
		if (wire_reader_init(&r, WIRE_SESSION, 0, data + 2, n) == 0)
			while (wire_next(&r, &f) == 1)
				kcp_input(k, &f, now);
		kcp_input_done(k, now);
		now += data[0] & 4 ? 300000 : 1000;
		drain(k, mtu, now);
		FUZZ_CHECK(mem_used(mem) < MEMORY_MAX);
		data += 2 + n;
		len -= 2 + n;
	}
	kcp_free(k);
	FUZZ_CHECK(mem_used(mem) == 0);
	mem_destroy(mem);
	return 0;
}
