/* bench_seal: what cryptography costs on one core: Gbit/s per suite for 1350-byte packets, microseconds per handshake step. */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/cookie.h"
#include "core/handshake.h"
#include "core/mem.h"
#include "core/seal.h"
#include "core/seal_aiokcp.h"

#define PACKET 1350u
#define HEADER 9u

static struct mem *mem;

/* CPU time, so that other programs on the machine disturb less. */
static double
cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static struct seal *
make_seal(enum seal_suite suite)
{
	static const uint8_t key[SEAL_AIOKCP_KEY_LEN] = { 1 }, iv[SEAL_IV_LEN] = { 2 };
	struct seal *seal = suite == SEAL_AIOKCP ? seal_aiokcp_new(mem, key) : seal_new(mem, suite, key, iv);

	if (seal == NULL)
		errx(1, "no seal");
	return seal;
}

static void
bench_suite(const char *name, enum seal_suite suite, unsigned rounds)
{
	static uint8_t buf[2048], sealed[2048];
	uint8_t aad[HEADER] = { 3 }, rnd[16] = { 4 }, *plain;
	struct seal *seal = make_seal(suite);
	double start = cpu_seconds(), protect, open;
	int len = 0;

	for (unsigned i = 0; i < rounds; i++)
		len = seal_protect(seal, i, aad, sizeof aad, buf, PACKET, rnd);
	protect = cpu_seconds() - start;
	memset(sealed, 5, sizeof sealed);
	len = seal_protect(seal, 7, aad, sizeof aad, sealed, PACKET, rnd);
	start = cpu_seconds();
	for (unsigned i = 0; i < rounds; i++) {
		/* Opening is in place, so each round needs a fresh copy; its cost is part of the figure and small. */
		memcpy(buf, sealed, (size_t)len);
		if (seal_open(seal, 7, aad, sizeof aad, buf, (size_t)len, &plain) != (int)PACKET)
			errx(1, "%s does not open", name);
	}
	open = cpu_seconds() - start;
	seal_free(mem, seal);
	start = cpu_seconds();
	for (unsigned i = 0; i < 10000; i++)
		seal_free(mem, make_seal(suite));
	printf("%-20s protect %6.2f Gbit/s  open %6.2f Gbit/s  new %6.2f us\n", name, 8e-9 * PACKET * rounds / protect,
	    8e-9 * PACKET * rounds / open, (cpu_seconds() - start) * 100);
}

enum step { STEP_INIT_WRITE, STEP_INIT_READ, STEP_RETRY_WRITE, STEP_ACCEPT_WRITE, STEP_ACCEPT_READ, STEP_COUNT };

/* Runs whole handshakes and adds up each step. */
static void
bench_handshake(const struct session_keys *keys, unsigned rounds, double spent[STEP_COUNT])
{
	static const struct handshake_params offer = { .time = 1, .rcv_wnd = 128, .mtu = 1400, .nsuites = 2, .suites = { 1, 2 } };
	static const struct handshake_params answer = { .rcv_wnd = 128, .mtu = 1400, .nsuites = 1, .suites = { 1 } };
	uint8_t secret[32] = { 0 }, accept_d[HANDSHAKE_ACCEPT_LEN], retry[HANDSHAKE_RETRY_LEN];
	struct handshake client, server;
	struct handshake_keys a, b;
	struct handshake_params params;

	for (unsigned i = 0; i < rounds; i++) {
		double t[STEP_COUNT + 1];
		int bad = 0;

		memcpy(secret, &i, sizeof i);
		t[0] = cpu_seconds();
		handshake_init_write(&client, 1, session_keys_first(keys), secret, &offer);
		t[1] = cpu_seconds();
		bad |= handshake_init_read(&server, keys, client.init, sizeof client.init, &params) < 0;
		t[2] = cpu_seconds();
		handshake_retry_write(&server, secret, secret, retry);
		t[3] = cpu_seconds();
		secret[31] ^= 1;
		bad |= handshake_accept_write(&server, 2, secret, &answer, accept_d, &a) < 0;
		t[4] = cpu_seconds();
		bad |= handshake_accept_read(&client, accept_d, sizeof accept_d, &params, &b) < 0;
		t[5] = cpu_seconds();
		if (bad)
			errx(1, "handshake failed");
		for (int step = 0; step < STEP_COUNT; step++)
			spent[step] += t[step + 1] - t[step];
	}
}

static void
print_handshake(void)
{
	static const char *const names[STEP_COUNT] = { "client: INIT", "server: open INIT", "server: RETRY", "server: ACCEPT",
		"client: open ACCEPT" };
	static const char line[] = "k 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
	const unsigned rounds = 5000;
	double spent[STEP_COUNT] = { 0 };
	struct session_keys *keys = session_keys_new(mem);
	char message[64];

	if (keys == NULL || session_keys_load(keys, "k", line, strlen(line), message, sizeof message) != 0)
		errx(1, "no keys");
	bench_handshake(keys, rounds, spent);
	for (int step = 0; step < STEP_COUNT; step++)
		printf("%-20s %6.1f us\n", names[step], spent[step] / rounds * 1e6);
	printf("%-20s %6.0f per second and core\n", "server: handshakes",
	    rounds / (spent[STEP_INIT_READ] + spent[STEP_ACCEPT_WRITE]));
	session_keys_free(keys);
}

int
main(void)
{
	mem = mem_new(0);
	if (mem == NULL)
		errx(1, "mem_new");
	bench_suite("aes-256-gcm", SEAL_AES_256_GCM, 400000);
	bench_suite("chacha20-poly1305", SEAL_CHACHA20_POLY1305, 100000);
	bench_suite("aes-cbc (aiokcp)", SEAL_AIOKCP, 50000);
	bench_suite("none (crc-32c)", SEAL_NONE, 400000);
	print_handshake();
	mem_destroy(mem);
	return EXIT_SUCCESS;
}
