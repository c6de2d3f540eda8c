/* fuzz_endpoint: datagrams of strangers, and of a peer gone mad, given to an endpoint that listens on all three wires.
 *
 * Input, again and again: how (1 byte), length (1, times 8), datagram. How: which listener (low 3 bits), the ECN field it comes with
 * (2), an ICMP error that quotes the datagram as sent by us instead (1), the last 4 bytes are made its CRC-32C (1), the first 4
 * are replaced by a live connection id (1). Nothing may be read or written out of bounds, and memory stays bounded.
 */
#include <string.h>

#include "core/bytes.h"
#include "core/crc32c.h"
#include "core/endpoint_impl.h"
#include "core/error.h"
#include "core/mem.h"
#include "fuzz.h"

#define MEMORY_MAX (8u << 20)
#define HOW_ICMP 0x20u
#define HOW_CRC 0x40u
#define HOW_KNOWN 0x80u

static void
listen_all(struct endpoint *ep)
{
	struct session_config cfg;

	session_config_default(&cfg);
	FUZZ_CHECK(endpoint_listen(ep, 1, &cfg) > 0);
	cfg.crypto = SESSION_CRYPTO_NONE;
	FUZZ_CHECK(endpoint_listen(ep, 2, &cfg) > 0);
	cfg.plain = true;
	kcp_config_default(&cfg.kcp, WIRE_PLAIN);
	FUZZ_CHECK(endpoint_listen(ep, 3, &cfg) > 0);
}

static void
drain(struct endpoint *ep, uint64_t now)
{
	uint8_t buf[1500];
	struct session *s;
	struct iovec iov;
	struct path p;
	int i;

	for (i = 0; i < 100 && endpoint_output(ep, &p, buf, sizeof(buf), now) > 0; i++)
		;
	while ((s = endpoint_next_ready(ep)) != NULL) {
		session_take_events(s);
		if (session_recv_peek(s, &iov, 1) == 1)
			session_recv_consume(s, iov.iov_len, now);
		if (session_state(s) == SESSION_CLOSED)
			endpoint_release(ep, s);
	}
}

static void
one_datagram(struct endpoint *ep, const struct path *p, unsigned how, uint8_t *d, size_t n, uint64_t now)
{
	struct session *s = TAILQ_FIRST(&ep->all);

	if (how & HOW_KNOWN && s != NULL && n >= sizeof(s->cid))
		bytes_put32(d, how & HOW_ICMP ? s->peer_cid : s->cid);
	if (how & HOW_CRC && n >= sizeof(uint32_t))
		bytes_put32(d + n - sizeof(uint32_t), crc32c(0, d, n - sizeof(uint32_t)));
	endpoint_set_mark(ep, (enum ecn_mark)(how >> 3 & 3));
	if (how & HOW_ICMP)
		endpoint_icmp(ep, p, KCPSHIM_E_REFUSED, d, n, now);
	else
		endpoint_input(ep, p, d, n, now);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t seed[32] = { 1 };
	struct path p = { .local = { .family = 4, .port = 80 }, .remote = { .family = 4, .ip = { 10 }, .port = 1000 } };
	struct mem *mem = mem_new(0);
	struct endpoint *ep = endpoint_new(mem, seed);
	uint8_t datagram[2048];
	uint64_t now = 1000000;
	size_t n;

	FUZZ_CHECK(ep != NULL);
	endpoint_set_time(ep, UINT64_C(1700000000000000000), now);
	listen_all(ep);
	while (len >= 2) {
		p.sock = 1 + (data[0] & 7u) % 3;
		n = (size_t)data[1] * 8 < len - 2 ? (size_t)data[1] * 8 : len - 2;
		memcpy(datagram, data + 2, n);
		one_datagram(ep, &p, data[0], datagram, n, now);
		data += 2 + n;
		len -= 2 + n;
		now += 20000;
		drain(ep, now);
	}
	FUZZ_CHECK(mem_used(mem) < MEMORY_MAX);
	endpoint_free(ep);
	FUZZ_CHECK(mem_used(mem) == 0);
	mem_destroy(mem);
	return 0;
}
