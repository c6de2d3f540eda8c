/* handshake_vectors: prints tests/vectors/handshake.json: whole sessions from fixed secrets, for other implementations. */
#include <err.h>
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "core/handshake.h"
#include "core/mem.h"
#include "core/reset_token.h"
#include "core/seal.h"

#define KIND_DATA 0xc4u
#define HEADER 9u

struct session {
	const char *name;
	const char *key_name;       /* NULL: no pre-shared key */
	uint8_t suite;
	bool retry;
	struct handshake client, server;
	struct handshake_keys client_keys, server_keys;
	uint32_t cid[2];            /* client's, server's */
};

static struct mem *mem;

static void
print_hex(const char *name, const void *data, size_t len, const char *end)
{
	const uint8_t *p = data;

	printf("\"%s\":\"", name);
	for (size_t i = 0; i < len; i++)
		printf("%02x", p[i]);
	printf("\"%s", end);
}

/* 32 bytes that look like none of the other secrets. */
static void
fill(uint8_t out[32], uint8_t first)
{
	for (unsigned i = 0; i < 32; i++)
		out[i] = (uint8_t)(first + 7 * i);
}

static void
print_datagram(const char *from, const char *kind, const uint8_t *d, size_t len, const char *end)
{
	printf("\t\t{\"from\":\"%s\",\"kind\":\"%s\",", from, kind);
	print_hex("hex", d, len, end);
}

static void
print_traffic(const char *name, const struct traffic_keys *t, const char *end)
{
	printf("\t\"%s\":{", name);
	print_hex("secret", t->secret, sizeof t->secret, ",");
	print_hex("key", t->key, sizeof t->key, ",");
	print_hex("iv", t->iv, sizeof t->iv, "}");
	printf("%s\n", end);
}

/* One DATA datagram: clock, then `frames`, said in words by `text`. `by_server` tells the direction. */
static void
print_frames(const struct session *s, struct traffic_keys *keys, bool by_server, unsigned phase, uint64_t pn, const char *text,
    const uint8_t *frames, size_t len, const char *end)
{
	struct seal *seal = seal_new(mem, (enum seal_suite)keys->suite, keys->key, keys->iv);
	uint8_t d[512], plain[256], rnd[16] = { 0 };
	int sealed;

	if (seal == NULL)
		errx(1, "seal_new");
	bytes_put32(plain, 1000 + (uint32_t)pn);
	memcpy(plain + 4, frames, len);
	bytes_put32(d, s->cid[by_server ? 0 : 1]);
	d[4] = (uint8_t)(KIND_DATA + phase % 2);
	bytes_put32(d + 5, (uint32_t)pn);
	memcpy(d + HEADER, plain, 4 + len);
	sealed = seal_protect(seal, pn, d, HEADER, d + HEADER, 4 + len, rnd);
	if (sealed < 0)
		errx(1, "seal_protect");
	printf("\t\t{\"from\":\"%s\",\"kind\":\"DATA\",\"phase\":%u,\"packet_number\":%llu,\"text\":\"%s\",",
	    by_server ? "server" : "client", phase, (unsigned long long)pn, text);
	print_hex("plain", plain, 4 + len, ",");
	print_hex("hex", d, HEADER + (size_t)sealed, end);
	seal_free(mem, seal);
}

/* A DATA frame with `text`. */
static void
print_data(const struct session *s, struct traffic_keys *keys, bool by_server, unsigned phase, uint64_t pn, const char *text,
    const char *end)
{
	uint8_t frame[256];
	size_t len = strlen(text);

	frame[0] = 0x01;
	bytes_put32(frame + 1, (uint32_t)pn);
	bytes_put16(frame + 5, (uint16_t)len);
	memcpy(frame + 7, text, len);
	print_frames(s, keys, by_server, phase, pn, text, frame, 7 + len, end);
}

/* ACK without a range, and ECN: what a receiver says of datagrams that came with marks. */
static void
print_marks(const struct session *s, struct traffic_keys *keys, uint64_t pn, const char *end)
{
	static const uint32_t counts[] = { 3, 40, 0, 2 };
	uint8_t frames[16 + 17];

	frames[0] = 0x03;
	bytes_put32(frames + 1, 4);
	bytes_put32(frames + 5, 1024);
	bytes_put32(frames + 9, 1000);
	bytes_put16(frames + 13, 5);
	frames[15] = 0;
	frames[16] = 0x0e;
	for (unsigned i = 0; i < 4; i++)
		bytes_put32(frames + 17 + 4 * i, counts[i]);
	print_frames(s, keys, true, 0, pn, "marks", frames, sizeof(frames), end);
}

static void
print_retry(struct session *s)
{
	uint8_t cookie[COOKIE_LEN], nonce[HANDSHAKE_RETRY_NONCE], d[HANDSHAKE_RETRY_LEN];

	memset(cookie, 0xc0, sizeof cookie);
	memset(nonce, 0x90, sizeof nonce);
	handshake_retry_write(&s->server, cookie, nonce, d);
	print_datagram("server", "RETRY", d, sizeof d, ",");
	print_hex("cookie", cookie, sizeof cookie, "},\n");
	if (handshake_retry_read(&s->client, d, sizeof d) != 0)
		errx(1, "handshake_retry_read");
	print_datagram("client", "INIT", s->client.init, sizeof s->client.init, "},\n");
}

static void
print_handshake(struct session *s, const struct session_keys *keys, const uint8_t client_secret[32],
    const uint8_t server_secret[32])
{
	struct handshake_params offer = { .time = UINT64_C(1800000000123456789), .rcv_wnd = 1024, .mtu = 1472, .ecn = true, .nsuites = 2 };
	struct handshake_params answer = { .rcv_wnd = 2048, .mtu = 1400, .has_reset = true, .ecn = true, .reset = { 0xa0, [19] = 0xaf },
		.nsuites = 1, .suites = { s->suite } }, got;
	uint8_t accept_d[HANDSHAKE_ACCEPT_LEN];

	offer.suites[0] = s->suite;
	offer.suites[1] = (uint8_t)(3 - s->suite);
	handshake_init_write(&s->client, s->cid[0], session_keys_first(keys), client_secret, &offer);
	print_datagram("client", "INIT", s->client.init, sizeof s->client.init, "},\n");
	if (handshake_init_read(&s->server, keys, s->client.init, sizeof s->client.init, &got) != 0)
		errx(1, "handshake_init_read");
	if (s->retry)
		print_retry(s);
	if (handshake_accept_write(&s->server, s->cid[1], server_secret, &answer, accept_d, &s->server_keys) < 0)
		errx(1, "handshake_accept_write");
	print_datagram("server", "ACCEPT", accept_d, sizeof accept_d, "},\n");
	if (handshake_accept_read(&s->client, accept_d, sizeof accept_d, &got, &s->client_keys) != 0)
		errx(1, "handshake_accept_read");
}

static void
print_session(struct session *s, const char *end)
{
	struct session_keys *keys = session_keys_new(mem);
	uint8_t client_secret[32], server_secret[32], psk[32] = { 0 };
	struct traffic_keys next;
	char line[KEYS_LINE_LEN], message[128];

	fill(client_secret, 0x21);
	fill(server_secret, 0x42);
	printf("{\n\t\"name\":\"%s\",\n\t\"suite\":%u,\n\t", s->name, s->suite);
	if (s->key_name != NULL) {
		fill(psk, 0x63);
		if (keys_generate(line, s->key_name, psk) != 0 || session_keys_load(keys, "key", line, strlen(line), message, sizeof message) != 0)
			errx(1, "session_keys_load");
		print_hex("key_id", session_keys_first(keys)->id, KEYS_ID_LEN, ",\n\t");
	}
	print_hex("psk", psk, sizeof psk, ",\n\t");
	print_hex("client_secret", client_secret, 32, ",\n\t");
	print_hex("server_secret", server_secret, 32, ",\n\t\"datagrams\":[\n");
	print_handshake(s, keys, client_secret, server_secret);
	print_data(s, &s->client_keys.tx, false, 0, 0, "first", "},\n");
	print_data(s, &s->server_keys.tx, true, 0, 0, "answer", "},\n");
	print_data(s, &s->client_keys.tx, false, 0, 0x70000000, "many datagrams later", "},\n");
	print_data(s, &s->client_keys.tx, false, 0, 0xe0000000, "and more", "},\n");
	print_data(s, &s->client_keys.tx, false, 0, 0xfffffffe, "before the low bits wrap", "},\n");
	next = s->client_keys.tx;
	traffic_renew(&next);
	print_data(s, &next, false, 1, UINT64_C(0x100000001), "after the key update", "},\n");
	print_data(s, &s->server_keys.tx, true, 0, 1, "the other direction has not changed its key", "},\n");
	print_marks(s, &s->server_keys.tx, 2, "}\n\t],\n");
	print_traffic("client_to_server", &s->client_keys.tx, ",");
	print_traffic("client_to_server_phase_1", &next, ",");
	print_traffic("server_to_client", &s->server_keys.tx, "");
	printf("}%s\n", end);
	session_keys_free(keys);
}

/* What a server without a session answers to a datagram of it. */
static void
print_reset(const char *name, const char *key_lines, const struct netaddr *local, uint32_t random_bits, size_t len, const char *end)
{
	uint8_t secret[RESET_SECRET_LEN], data[64] = { 0 }, filler[RESET_LEN_MAX], out[RESET_LEN_MAX];
	struct session_keys *keys = session_keys_new(mem);
	struct reset_token t;
	char message[128];
	uint32_t cid;

	fill(secret, 0x77);
	fill(data, 0x50);
	memset(filler, 0xf1, sizeof filler);
	if (key_lines[0] != '\0') {
		if (session_keys_load(keys, "key", key_lines, strlen(key_lines), message, sizeof message) != 0)
			errx(1, "session_keys_load");
		memcpy(secret, session_keys_reset_secret(keys), sizeof secret);
	}
	cid = reset_token_cid(secret, random_bits);
	bytes_put32(data, cid);
	data[4] = 0xc5;
	reset_token_make(secret, local, cid, &t);
	reset_token_answer(&t, data, len, filler, out);
	printf("{\n\t\"name\":\"%s\",\n\t\"key_file\":[", name);
	for (const char *line = key_lines, *next; *line != '\0'; line = next + 1) {
		next = strchr(line, '\n');
		printf("\"%.*s\"%s", (int)(next - line), line, next[1] != '\0' ? "," : "");
	}
	printf("],\n\t");
	print_hex("secret", secret, sizeof secret, ",\n\t");
	print_hex("local_ip", local->ip, local->family == 4 ? 4 : 16, ",\n\t");
	printf("\"local_port\":%u,\n\t\"random\":%u,\n\t", local->port, (unsigned)random_bits);
	print_hex("datagram", data, len, ",\n\t");
	print_hex("reset", out, reset_token_answer_len(len), "\n");
	printf("}%s\n", end);
	session_keys_free(keys);
}

static void
print_resets(void)
{
	static const char one[] = "alice 636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182\n";
	static const char two[] = "bob 0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20\n"
	    "alice 636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182\n";
	const struct netaddr four = { .family = 4, .ip = { 192, 0, 2, 1 }, .port = 6379 };
	const struct netaddr six = { .family = 6, .ip = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 }, .port = 443 };

	printf("\"resets\":[\n");
	print_reset("one key", one, &four, 0x12345, 50, ",");
	print_reset("two keys, IPv6", two, &six, 0xfffff, 38, ",");
	print_reset("no key", "", &four, 7, 30, "");
	printf("]");
}

int
main(void)
{
	struct session sessions[] = {
		{ .name = "pre-shared key, AES-256-GCM", .key_name = "alice", .suite = SEAL_AES_256_GCM,
		    .cid = { 0x11223344, 0x55667788 } },
		{ .name = "pre-shared key, ChaCha20-Poly1305, RETRY", .key_name = "alice", .suite = SEAL_CHACHA20_POLY1305, .retry = true,
		    .cid = { 0x01020304, 0xfffefdfc } },
		{ .name = "no key, AES-256-GCM, RETRY", .suite = SEAL_AES_256_GCM, .retry = true, .cid = { 1, 2 } },
		{ .name = "no key, ChaCha20-Poly1305", .suite = SEAL_CHACHA20_POLY1305, .cid = { 0xdeadbeef, 0xcafef00d } },
	};
	size_t n = sizeof sessions / sizeof sessions[0];

	mem = mem_new(0);
	if (mem == NULL)
		errx(1, "mem_new");
	printf("{\"about\":\"Sessions of version 1 of kcpshim-wire(7), made from fixed secrets; regenerated and compared by the test "
	    "suite. Ephemeral secrets, psk and all derived keys are given. Every datagram is hexadecimal as on the wire.\",\n"
	    "\"sessions\":[\n");
	for (size_t i = 0; i < n; i++)
		print_session(&sessions[i], i + 1 < n ? "," : "");
	printf("],\n");
	print_resets();
	printf("}\n");
	mem_destroy(mem);
	return 0;
}
