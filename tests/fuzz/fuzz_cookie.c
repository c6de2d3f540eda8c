/* fuzz_cookie: cookies as a server takes them back, and RETRY datagrams of both versions as a client reads them. Only the true one
 * is good.
 *
 * Input: mode (1 byte), then a cookie to be XORed with the true one, a change of the address (1) and of the clock (1, times 8 s);
 * or a RETRY, raw (odd modes) or XORed with a true one.
 */
#include <string.h>

#include "core/admission.h"
#include "core/error.h"
#include "core/handshake.h"
#include "core/mem.h"
#include "core/random.h"
#include "core/unsealed.h"
#include "fuzz.h"

#define CID 0x01020304u

static const struct netaddr remote = { .family = 4, .ip = { 192, 0, 2, 1 }, .port = 4000 };
static const uint8_t token[32] = { 7 };

static void
check_cookie(const uint8_t *data, size_t len)
{
	static const uint8_t seed[32] = { 3 };
	struct path p = { .sock = 1, .remote = remote };
	uint8_t cookie[COOKIE_LEN];
	struct random random;
	struct admission a;
	struct budget budget = { 0 };
	struct admission_load load = { .rate = 0, .budget = &budget };
	struct mem *mem = mem_new(0);
	uint64_t wall = UINT64_C(1700000000000000000), now = 1000000, time = 1;
	bool changed = false;
	enum admission_verdict v;

	if (len < COOKIE_LEN + 2)
		goto out;
	random_init(&random, seed);
	admission_init(&a, mem, &random);
	FUZZ_CHECK(admission_remember(&a, wall) == 0);
	FUZZ_CHECK(admission_check(&a, &p, token, (const uint8_t[COOKIE_LEN]){ 0 }, &time, &load, now, wall) == ADMISSION_RETRY);
	admission_cookie(&a, &remote, token, cookie);
	for (size_t i = 0; i < COOKIE_LEN; i++) {
		changed |= data[i] != 0;
		cookie[i] ^= data[i];
	}
	p.remote.port = (uint16_t)(p.remote.port ^ data[COOKIE_LEN]);
	changed |= data[COOKIE_LEN] != 0;
	now += data[COOKIE_LEN + 1] * UINT64_C(8000000);
	wall += data[COOKIE_LEN + 1] * UINT64_C(8000000000);
	v = admission_check(&a, &p, token, cookie, &time, &load, now, wall);
	if (changed || data[COOKIE_LEN + 1] >= 30)
		FUZZ_CHECK(v == ADMISSION_RETRY);
	else if (data[COOKIE_LEN + 1] < 15)
		FUZZ_CHECK(v == ADMISSION_OPEN);
	if (v == ADMISSION_OPEN)
		FUZZ_CHECK(admission_check(&a, &p, token, cookie, &time, &load, now, wall) == ADMISSION_DROP);
	admission_dispose(&a);
out:
	FUZZ_CHECK(mem_used(mem) == 0);
	mem_destroy(mem);
}

/* Whether any byte of d differs from those of `truth`; d becomes truth XOR data. */
static bool
change(uint8_t *d, size_t n, const uint8_t *truth, const uint8_t *data, size_t len)
{
	bool changed = false;

	for (size_t i = 0; i < n; i++) {
		uint8_t x = i < len ? data[i] : 0;

		d[i] = truth[i] ^ x;
		changed |= x != 0;
	}
	return changed;
}

static void
read_sealed_retry(bool raw, const uint8_t *data, size_t len)
{
	static const uint8_t secret[32] = { 1 };
	static const struct handshake_params offer = { .time = 1, .rcv_wnd = 128, .mtu = 1400, .nsuites = 1, .suites = { 2 } };
	uint8_t cookie[COOKIE_LEN] = { 5 }, nonce[HANDSHAKE_RETRY_NONCE] = { 6 }, truth[HANDSHAKE_RETRY_LEN], d[HANDSHAKE_RETRY_LEN];
	struct handshake hs, before;
	bool changed = true;
	int ret;

	handshake_init_write(&hs, CID, NULL, secret, &offer);
	before = hs;
	handshake_retry_write(&hs, cookie, nonce, truth);
	if (raw) {
		ret = handshake_retry_read(&hs, data, len);
	} else {
		changed = change(d, sizeof(d), truth, data, len);
		ret = handshake_retry_read(&hs, d, sizeof(d));
	}
	FUZZ_CHECK(changed ? ret < 0 && memcmp(&hs, &before, sizeof(hs)) == 0 : ret == 0 && memcmp(hs.cookie, cookie, COOKIE_LEN) == 0);
}

/* A checksum keeps nobody out: it may be read, but touches nothing but the cookie and the checksum of the INIT. */
static void
read_unsealed_retry(bool raw, const uint8_t *data, size_t len)
{
	static const struct handshake_params offer = { .rcv_wnd = 128, .mtu = 1400 };
	uint8_t cookie[COOKIE_LEN] = { 5 }, truth[UNSEALED_RETRY_LEN], d[UNSEALED_RETRY_LEN], init[UNSEALED_INIT_LEN], before[UNSEALED_INIT_LEN];
	int ret;

	unsealed_init_write(init, CID, token, &offer);
	memcpy(before, init, sizeof(init));
	FUZZ_CHECK(unsealed_retry_write(truth, CID, cookie) == UNSEALED_RETRY_LEN);
	if (raw) {
		ret = unsealed_retry_read(data, len, init);
	} else {
		change(d, sizeof(d), truth, data, len);
		ret = unsealed_retry_read(d, sizeof(d), init);
	}
	if (ret != 0)
		FUZZ_CHECK(memcmp(init, before, sizeof(init)) == 0);
	FUZZ_CHECK(memcmp(init, before, 24) == 0 && memcmp(init + 40, before + 40, UNSEALED_INIT_LEN - 44) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len == 0)
		return 0;
	switch (data[0] % 5) {
	case 0:
		check_cookie(data + 1, len - 1);
		break;
	case 1:
	case 2:
		read_sealed_retry(data[0] % 5 == 1, data + 1, len - 1);
		break;
	default:
		read_unsealed_retry(data[0] % 5 == 3, data + 1, len - 1);
		break;
	}
	return 0;
}
