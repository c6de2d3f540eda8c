/* fuzz_seal: sealed datagrams of every suite that is built in. Raw bytes must not open; what was sealed must.
 *
 * Input: suite (1 byte), packet number (1), length of the associated data (1), associated data, the rest.
 */
#include <string.h>

#include "core/mem.h"
#include "core/seal.h"
#include "core/seal_aiokcp.h"
#include "fuzz.h"

#define DATAGRAM_MAX 2048u

static struct mem *mem;

static struct seal *
make_seal(unsigned suite)
{
	static const uint8_t key[SEAL_AIOKCP_KEY_LEN] = { 1, 2, 3 }, iv[SEAL_IV_LEN] = { 4 };

	if (mem == NULL)
		mem = mem_new(0);
	return suite == SEAL_AIOKCP ? seal_aiokcp_new(mem, key) : seal_new(mem, (enum seal_suite)suite, key, iv);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t buf[SEAL_HEAD_MAX + DATAGRAM_MAX + SEAL_TAIL_MAX], rnd[16] = { 7 }, *plain;
	struct seal *seal;
	int ret;

	if (len < 3 || data[0] > SEAL_AIOKCP || len - 3 < data[2] || len - 3 - data[2] > DATAGRAM_MAX)
		return 0;
	const uint8_t *aad = data + 3, *rest = aad + data[2];
	size_t aad_len = data[2], rest_len = len - 3 - aad_len;

	seal = make_seal(data[0]);
	FUZZ_CHECK(seal != NULL);
	memcpy(buf, rest, rest_len);
	ret = seal_open(seal, data[1], aad, aad_len, buf, rest_len, &plain);
	FUZZ_CHECK(ret < 0 || data[0] == SEAL_NONE || data[0] == SEAL_PLAIN);
	FUZZ_CHECK(ret < 0 || (plain >= buf && plain + ret <= buf + rest_len));
	memcpy(buf + seal_head(seal), rest, rest_len);
	ret = seal_protect(seal, data[1], aad, aad_len, buf, rest_len, rnd);
	FUZZ_CHECK(ret >= 0 && (size_t)ret <= seal_head(seal) + rest_len + seal_tail(seal));
	FUZZ_CHECK(seal_room(seal, (size_t)ret) >= rest_len);
	ret = seal_open(seal, data[1], aad, aad_len, buf, (size_t)ret, &plain);
	FUZZ_CHECK(ret == (int)rest_len && memcmp(plain, rest, rest_len) == 0);
	seal_free(mem, seal);
	return 0;
}
