/* fuzz_endpoint: datagrams of strangers, and of a peer gone mad, given to an endpoint that listens on all three wires.
 *
 * Input, again and again: socket (1 byte: which listener), length (1, times 8), datagram. The first four bytes of a datagram
 * are replaced by a live connection id when the socket's high bit is set. Nothing may be read or written out of bounds,
 * and memory stays bounded.
 */
#include <string.h>

#include "core/endpoint.h"
#include "core/mem.h"
#include "fuzz.h"

#define MEMORY_MAX (8u << 20)

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
		struct session *s = endpoint_each(ep, NULL);
		uint32_t id = s != NULL ? (uint32_t)session_id(s) : 0;

		p.sock = 1 + (data[0] & 0x7fu) % 3;
		n = (size_t)data[1] * 8 < len - 2 ? (size_t)data[1] * 8 : len - 2;
		memcpy(datagram, data + 2, n);
		if (data[0] & 0x80 && n >= sizeof(id))
			memcpy(datagram, &id, sizeof(id));
		endpoint_input(ep, &p, datagram, n, now);
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
