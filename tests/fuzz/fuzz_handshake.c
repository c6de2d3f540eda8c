/* fuzz_handshake: INIT as a server reads it, RETRY and ACCEPT as a client does; first raw, then with a right seal over the
 * fuzzer's parameters, since it cannot make one.
 *
 * Input: mode (1 byte), then the datagram (modes 0 to 2) or the parameters (modes 3 and 4).
 */
#include <string.h>

#include "core/bytes.h"
#include "core/error.h"
#include "core/handshake.h"
#include "core/mem.h"
#include "fuzz.h"

#define CID 0x01020304u
#define KEY_LINE "k 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"

static const uint8_t client_secret[32] = { 1 };
static const uint8_t server_secret[32] = { 2 };
static const uint8_t no_psk[32];
static const struct handshake_params offer = { .time = 1, .rcv_wnd = 128, .mtu = 1400, .nsuites = 2, .suites = { 1, 2 } };

static struct session_keys *keys;

static void
setup(void)
{
	char err[128];

	if (keys != NULL)
		return;
	keys = session_keys_new(mem_new(0));
	FUZZ_CHECK(keys != NULL);
	FUZZ_CHECK(session_keys_load(keys, "f", KEY_LINE, strlen(KEY_LINE), err, sizeof err) == 0);
}

/* What a server does with an INIT that opened. */
static void
serve(struct handshake *hs, const struct handshake_params *params)
{
	struct handshake_params answer = { .rcv_wnd = 1, .mtu = 1400, .nsuites = 1 };
	static const uint8_t mine[] = { 2, 1 };
	uint8_t d[HANDSHAKE_ACCEPT_LEN], retry[HANDSHAKE_RETRY_LEN], nonce[HANDSHAKE_RETRY_NONCE] = { 0 };
	struct handshake_keys out;
	int suite = params_choose_suite(params, mine, sizeof mine);

	FUZZ_CHECK(hs->cid != 0);
	FUZZ_CHECK(params->nsuites <= PARAMS_SUITES_MAX);
	FUZZ_CHECK(handshake_retry_write(hs, hs->cookie, nonce, retry) == HANDSHAKE_RETRY_LEN);
	if (suite < 0)
		return;
	FUZZ_CHECK(suite == 1 || suite == 2);
	answer.suites[0] = (uint8_t)suite;
	int ret = handshake_accept_write(hs, CID, server_secret, &answer, d, &out);
	FUZZ_CHECK(ret == (int)HANDSHAKE_ACCEPT_LEN || ret == KCPSHIM_E_AUTH);
}

static void
read_init(const struct session_keys *set, const uint8_t *d, size_t len)
{
	struct handshake_params params;
	struct handshake hs;
	int ret = handshake_init_read(&hs, set, d, len, &params);

	FUZZ_CHECK(ret <= 0);
	if (ret == 0) {
		FUZZ_CHECK(handshake_is_init(d, len));
		FUZZ_CHECK(hs.authenticated == (set != NULL));
		serve(&hs, &params);
	}
}

static void
read_answer(const uint8_t *d, size_t len)
{
	struct handshake_params params;
	struct handshake_keys out;
	struct handshake hs, before;

	handshake_init_write(&hs, CID, session_keys_first(keys), client_secret, &offer);
	before = hs;
	FUZZ_CHECK(handshake_retry_read(&hs, d, len) < 0);
	FUZZ_CHECK(memcmp(&hs, &before, sizeof hs) == 0);
	FUZZ_CHECK(handshake_accept_read(&hs, d, len, &params, &out) < 0);
	FUZZ_CHECK(memcmp(&hs, &before, sizeof hs) == 0);
}

static void
sealed_init(const uint8_t *plain, size_t len)
{
	uint8_t d[HANDSHAKE_INIT_HEADER + PARAMS_MAX + NOISE_TAG_LEN], prologue[9 + 24];
	struct handshake hs;

	handshake_init_write(&hs, CID, NULL, client_secret, &offer);
	memcpy(d, hs.init, HANDSHAKE_INIT_HEADER);
	memcpy(prologue, "kcpshim 1", 9);
	memcpy(prologue + 9, d, 24);
	noise_init(&hs.noise, prologue, sizeof prologue);
	noise_first(&hs.noise, no_psk, hs.ephemeral);
	noise_seal(&hs.noise, d + HANDSHAKE_INIT_HEADER, plain, len);
	read_init(NULL, d, HANDSHAKE_INIT_HEADER + len + NOISE_TAG_LEN);
}

static void
sealed_accept(const uint8_t *plain, size_t len)
{
	uint8_t d[HANDSHAKE_ACCEPT_HEADER + PARAMS_MAX + NOISE_TAG_LEN] = { 0 };
	struct handshake_params params;
	struct handshake_keys out;
	struct handshake hs;
	struct noise server;
	int ret;

	handshake_init_write(&hs, CID, NULL, client_secret, &offer);
	server = hs.noise;
	bytes_put32(d, CID);
	d[4] = HANDSHAKE_KIND_ACCEPT;
	d[5] = HANDSHAKE_VERSION;
	bytes_put32(d + 8, CID);
	noise_public(d + 12, server_secret);
	FUZZ_CHECK(noise_second(&server, server_secret, hs.ephemeral, d + 12) == 0);
	noise_seal(&server, d + HANDSHAKE_ACCEPT_HEADER, plain, len);
	ret = handshake_accept_read(&hs, d, HANDSHAKE_ACCEPT_HEADER + len + NOISE_TAG_LEN, &params, &out);
	FUZZ_CHECK(ret <= 0);
	FUZZ_CHECK(ret != 0 || (params.cid == CID && params.nsuites == 1 && params.suites[0] == out.suite));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len == 0)
		return 0;
	setup();
	switch (data[0]) {
	case 0:
		read_init(NULL, data + 1, len - 1);
		break;
	case 1:
		read_init(keys, data + 1, len - 1);
		break;
	case 2:
		read_answer(data + 1, len - 1);
		break;
	case 3:
		if (len - 1 <= PARAMS_MAX)
			sealed_init(data + 1, len - 1);
		break;
	case 4:
		if (len - 1 <= PARAMS_MAX)
			sealed_accept(data + 1, len - 1);
		break;
	}
	return 0;
}
