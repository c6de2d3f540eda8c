#include "error.h"

#include <stddef.h>

static const struct {
	int code;
	const char *text;
} texts[] = {
	{ KCPSHIM_OK, "success" },
	{ KCPSHIM_E_NOMEM, "out of memory" },
	{ KCPSHIM_E_SHORT, "input too short" },
	{ KCPSHIM_E_FORMAT, "malformed" },
	{ KCPSHIM_E_VERSION, "unsupported version" },
	{ KCPSHIM_E_AUTH, "not authentic" },
	{ KCPSHIM_E_REPLAY, "seen before" },
	{ KCPSHIM_E_UNKNOWN, "unknown session" },
	{ KCPSHIM_E_FULL, "full" },
	{ KCPSHIM_E_STATE, "not possible in this state" },
	{ KCPSHIM_E_RANGE, "out of range" },
	{ KCPSHIM_E_REFUSED, "connection refused" },
	{ KCPSHIM_E_TIMEDOUT, "timed out" },
	{ KCPSHIM_E_RESET, "connection reset" },
	{ KCPSHIM_E_HOSTUNREACH, "host unreachable" },
	{ KCPSHIM_E_NETUNREACH, "network unreachable" },
};

const char *
kcpshim_strerror(int code)
{
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].code == code)
			return texts[i].text;
	return "unknown error";
}
