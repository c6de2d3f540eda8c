/* fuzz_params: the parameter list; what was read is read again from what params_write() makes of it. */
#include <string.h>

#include "core/params.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct handshake_params a, b;
	uint8_t out[PARAMS_LEN];

	if (params_read(&a, data, len) < 0)
		return 0;
	FUZZ_CHECK(a.nsuites <= PARAMS_SUITES_MAX);
	params_write(&a, out);
	FUZZ_CHECK(params_read(&b, out, sizeof out) == 0);
	FUZZ_CHECK(a.time == b.time && a.cid == b.cid && a.rcv_wnd == b.rcv_wnd && a.mtu == b.mtu);
	FUZZ_CHECK(a.nsuites == b.nsuites && memcmp(a.suites, b.suites, sizeof a.suites) == 0);
	return 0;
}
