/* bench_accept: what connection set-up costs a server on one core, everything in the core included: INIT, ACCEPT, proof, and the
 * release of the session; and what it costs to turn away those who have no business there.
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/endpoint.h"
#include "core/keys.h"
#include "core/mem.h"

#define BATCH 50   /* fewer than the RETRYs that an endpoint queues */
#define ROUNDS 120
#define FORGED_DATA 1100   /* fits into a datagram before the path's MTU is known */

struct datagram {
	struct path path;
	size_t len;
	uint8_t data[1500];
};

static struct mem *mem;
static struct endpoint *client, *server;
static struct session_config cfg;
static uint64_t now = 10000000;
static uint16_t port = 1;

/* CPU time, so that other programs on the machine disturb less. */
static double
cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int
drain(struct endpoint *ep, struct datagram *d, int cap)
{
	int n = 0;

	while (n < cap && (d[n].len = endpoint_output(ep, &d[n].path, d[n].data, sizeof(d[n].data), now)) > 0)
		n++;
	return n;
}

/* Each client has an address of its own. */
static struct path
at_server(uint32_t sock)
{
	struct path p = { .sock = 1, .local = { .family = 4, .ip = { 10, 0, 0, 2 }, .port = 80 },
		.remote = { .family = 4, .ip = { 10, 0, (uint8_t)(sock >> 8), (uint8_t)sock }, .port = port } };

	return p;
}

static void
give_server(struct datagram *d, int n)
{
	for (int i = 0; i < n; i++) {
		struct path p = at_server(d[i].path.sock);

		endpoint_input(server, &p, d[i].data, d[i].len, now);
	}
}

static void
give_client(struct datagram *d, int n)
{
	for (int i = 0; i < n; i++) {
		struct path p = { .sock = (uint32_t)d[i].path.remote.ip[2] << 8 | d[i].path.remote.ip[3], .local = d[i].path.remote,
			.remote = d[i].path.local };

		endpoint_input(client, &p, d[i].data, d[i].len, now);
	}
}

/* One batch of connections; the CPU seconds of the server. */
static double
batch(int *opened, bool cookies)
{
	static struct datagram d[2 * BATCH];
	struct session *s[BATCH], *accepted;
	double start, spent = 0;
	int n, i;

	port++;
	for (i = 0; i < BATCH; i++) {
		struct path p = { .sock = (uint32_t)i + 1, .remote = { .family = 4, .ip = { 10, 0, 0, 2 }, .port = 80 } };

		if ((s[i] = endpoint_connect(client, &p, &cfg, now)) == NULL)
			errx(1, "endpoint_connect");
	}
	for (int flight = 0; flight < 2 + cookies; flight++) {
		n = drain(client, d, 2 * BATCH);
		start = cpu_seconds();
		give_server(d, n);
		while ((accepted = endpoint_next_ready(server)) != NULL)
			*opened += (session_take_events(accepted) & SESSION_EV_OPENED) != 0;
		n = drain(server, d, 2 * BATCH);
		spent += cpu_seconds() - start;
		give_client(d, n);
	}
	start = cpu_seconds();
	while ((accepted = endpoint_each(server, NULL)) != NULL)
		endpoint_release(server, accepted);
	spent += cpu_seconds() - start;
	for (i = 0; i < BATCH; i++)
		endpoint_release(client, s[i]);
	now += 1000000;
	return spent;
}

static void
bench(const char *name, bool cookies)
{
	uint8_t seed[32] = { 1 };
	double spent = 0;
	int opened = 0, i;

	cfg.handshakes = cookies ? 0 : 1000000;
	client = endpoint_new(mem, seed);
	seed[0] = 2;
	server = endpoint_new(mem, seed);
	if (client == NULL || server == NULL)
		errx(1, "endpoint_new");
	endpoint_set_time(server, UINT64_C(1700000000000000000), now);
	endpoint_set_time(client, UINT64_C(1700000001000000000), now);
	if (endpoint_listen(server, 1, &cfg) <= 0)
		errx(1, "endpoint_listen");
	for (i = 0; i < ROUNDS; i++)
		spent += batch(&opened, cookies);
	if (opened != BATCH * ROUNDS)
		errx(1, "%s: %d of %d opened", name, opened, BATCH * ROUNDS);
	printf("%-36s %6.1f us  %7.0f a second and core\n", name, spent / opened * 1e6, opened / spent);
	endpoint_free(client);
	endpoint_free(server);
}

/* The same datagram again and again, changed by `change`, to a server with a live session. */
static void
bench_refusal(const char *name, void (*change)(struct datagram *, uint32_t i))
{
	static struct datagram d[2 * BATCH], copy;
	uint8_t seed[32] = { 1 };
	struct session *s;
	struct path p = { .sock = 1, .remote = { .family = 4, .ip = { 10, 0, 0, 2 }, .port = 80 } };
	struct iovec iov;
	double spent;
	int n, i, rounds = 100000;

	client = endpoint_new(mem, seed);
	seed[0] = 2;
	server = endpoint_new(mem, seed);
	endpoint_set_time(server, UINT64_C(1700000000000000000), now);
	endpoint_set_time(client, UINT64_C(1700000001000000000), now);
	if (endpoint_listen(server, 1, &cfg) <= 0 || (s = endpoint_connect(client, &p, &cfg, now)) == NULL)
		errx(1, "no session");
	for (i = 0; i < 3; i++) {
		n = drain(client, d, 2 * BATCH);
		give_server(d, n);
		n = drain(server, d, 2 * BATCH);
		give_client(d, n);
		now += 100;
	}
	if (session_send_reserve(s, &iov, 1, FORGED_DATA) != 1)
		errx(1, "no room");
	memset(iov.iov_base, 1, FORGED_DATA);
	session_send_commit(s, FORGED_DATA, now);
	if (drain(client, d, 1) != 1 || d[0].len < FORGED_DATA)
		errx(1, "no datagram");
	spent = cpu_seconds();
	for (i = 0; i < rounds; i++) {
		copy = d[0];
		change(&copy, (uint32_t)i);
		give_server(&copy, 1);
	}
	spent = cpu_seconds() - spent;
	printf("%-36s %6zu bytes %6.2f us\n", name, copy.len, spent / rounds * 1e6);
	endpoint_free(client);
	endpoint_free(server);
}

static void
unknown_id(struct datagram *d, uint32_t i)
{
	memcpy(d->data, &i, sizeof(i));
}

static void
unknown_kind(struct datagram *d, uint32_t i)
{
	d->data[4] = (uint8_t)i & 0x3f;
}

static void
changed(struct datagram *d, uint32_t i)
{
	d->data[100 + i % 1000] ^= 1;
}

static void
bad_init(struct datagram *d, uint32_t i)
{
	memset(d->data + 4, 0, 20);
	d->data[4] = 0xc0;
	d->data[5] = 1;
	d->len = 152;
	memcpy(d->data + 100, &i, sizeof(i));
}

static void
nothing(struct datagram *d, uint32_t i)
{
	d->len = 0;
}

int
main(void)
{
	mem = mem_new(0);
	if (mem == NULL)
		errx(1, "mem_new");
	session_config_default(&cfg);
	printf("connection set-up, server's side:\n");
	bench("sealed", false);
	bench("sealed, with a cookie", true);
	cfg.crypto = SESSION_CRYPTO_NONE;
	bench("unsealed", false);
	session_config_default(&cfg);
	printf("a forged datagram, with the copying of the bench:\n");
	bench_refusal("nothing, the bench alone", nothing);
	bench_refusal("unknown kind", unknown_kind);
	bench_refusal("unknown connection id", unknown_id);
	bench_refusal("known id, changed: has to be opened", changed);
	bench_refusal("INIT that does not verify", bad_init);
	mem_destroy(mem);
	return EXIT_SUCCESS;
}
