/* fuzz_wire: plain segments, and the frames inside sealed datagrams, as read, written again and given to the ARQ.
 *
 * Input: codec (1 byte: even plain, odd session; a PUSH is answered when its bit 1 is set), then one datagram's plaintext. The conv
 * of a plain one is that of its first segment.
 */
#include <string.h>

#include "core/bytes.h"
#include "core/error.h"
#include "core/kcp.h"
#include "core/mem.h"
#include "core/wire.h"
#include "fuzz.h"

#define MEMORY_MAX (4u << 20)

/* What was read can be written, and is read as the same. */
static void
again(enum wire_codec codec, const struct wire_frame *f, uint32_t conv)
{
	static uint8_t buf[70000];
	struct wire_writer w;
	struct wire_reader r;
	struct wire_frame g;

	wire_writer_init(&w, codec, conv, buf, sizeof(buf));
	wire_writer_stamp(&w, f->una, f->wnd, f->ts);
	if (!wire_put(&w, f))
		return;
	FUZZ_CHECK(wire_reader_init(&r, codec, conv, buf, w.len) == 0);
	FUZZ_CHECK(wire_next(&r, &g) == 1);
	FUZZ_CHECK(g.type == f->type && g.sn == f->sn && g.len == f->len && g.token == f->token && g.code == f->code && g.fin == f->fin);
	FUZZ_CHECK(g.len == 0 || memcmp(g.data, f->data, g.len) == 0);
	FUZZ_CHECK(wire_next(&r, &g) == 0);
}

static void
output(struct kcp *k, enum wire_codec codec, uint32_t conv, uint64_t now)
{
	uint8_t buf[1500];
	struct wire_writer w;
	int i;

	for (i = 0; i < 1000; i++) {
		wire_writer_init(&w, codec, conv, buf, 1400);
		if (!kcp_output(k, &w, now))
			return;
	}
	FUZZ_CHECK(!"an endless burst");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	enum wire_codec codec;
	struct kcp_config cfg;
	struct wire_reader r;
	struct wire_frame f;
	struct iovec iov;
	struct mem *mem;
	struct kcp *k;
	uint64_t now = 1000000;

	if (len < 5)
		return 0;
	codec = data[0] & 1 ? WIRE_SESSION : WIRE_PLAIN;
	kcp_config_default(&cfg, codec);
	cfg.mtu = 1400;
	cfg.conv = bytes_get32(data + 1);
	mem = mem_new(0);
	k = kcp_new(mem, &cfg, now);
	FUZZ_CHECK(k != NULL);
	if (data[0] & 2 && kcp_send_reserve(k, &iov, 1, 1000) == 1) {
		memset(iov.iov_base, 1, iov.iov_len);
		kcp_send_commit(k, iov.iov_len < 1000 ? iov.iov_len : 1000, now);
		output(k, codec, cfg.conv, now);
	}
	if (wire_reader_init(&r, codec, cfg.conv, data + 1, len - 1) == 0) {
		while (wire_next(&r, &f) == 1) {
			FUZZ_CHECK(f.len == 0 || (f.data >= data + 1 && f.data + f.len <= data + len));
			FUZZ_CHECK(f.nranges <= WIRE_ACK_RANGES_MAX);
			again(codec, &f, cfg.conv);
			if (f.type <= WIRE_WINS)
				(void)kcp_input(k, &f, now);
		}
	}
	kcp_input_done(k, now);
	output(k, codec, cfg.conv, now);
	while (kcp_recv_peek(k, &iov, 1) == 1)
		kcp_recv_consume(k, iov.iov_len, now);
	output(k, codec, cfg.conv, now + 1000000);
	FUZZ_CHECK(mem_used(mem) < MEMORY_MAX);
	kcp_free(k);
	FUZZ_CHECK(mem_used(mem) == 0);
	mem_destroy(mem);
	return 0;
}
