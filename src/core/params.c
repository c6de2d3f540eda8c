#include "params.h"

#include <string.h>

#include "error.h"
#include "seal.h"

enum params_type { PARAMS_END, PARAMS_TIME, PARAMS_RCV_WND, PARAMS_MTU, PARAMS_SUITES, PARAMS_CID, PARAMS_RESET, PARAMS_FEC,
	PARAMS_ECN };

static uint8_t *
put(uint8_t *p, enum params_type type, uint64_t value, uint8_t len)
{
	if (value == 0)
		return p;
	*p++ = (uint8_t)type;
	*p++ = len;
	for (uint8_t i = 0; i < len; i++)
		*p++ = (uint8_t)(value >> (8 * i));
	return p;
}

void
params_write(const struct handshake_params *params, uint8_t out[PARAMS_LEN])
{
	uint8_t n = params->nsuites < PARAMS_SUITES_MAX ? params->nsuites : PARAMS_SUITES_MAX;
	uint8_t *p = out;

	memset(out, 0, PARAMS_LEN);
	p = put(p, PARAMS_TIME, params->time, 8);
	p = put(p, PARAMS_RCV_WND, params->rcv_wnd, 4);
	p = put(p, PARAMS_MTU, params->mtu, 2);
	p = put(p, PARAMS_CID, params->cid, 4);
	if (n > 0) {
		*p++ = PARAMS_SUITES;
		*p++ = n;
		memcpy(p, params->suites, n);
		p += n;
	}
	p = put(p, PARAMS_FEC, params->fec, 1);
	p = put(p, PARAMS_ECN, params->ecn, 1);
	if (params->has_reset) {
		*p++ = PARAMS_RESET;
		*p++ = RESET_PARAM_LEN;
		memcpy(p, params->reset, RESET_PARAM_LEN);
	}
}

static uint64_t
get(const uint8_t *p, size_t len)
{
	uint64_t value = 0;

	while (len-- > 0)
		value = value << 8 | p[len];
	return value;
}

/* One entry; 0 or KCPSHIM_E_FORMAT. */
static int
read_entry(struct handshake_params *params, uint8_t type, const uint8_t *value, size_t len)
{
	static const uint8_t lengths[] = { [PARAMS_TIME] = 8, [PARAMS_RCV_WND] = 4, [PARAMS_MTU] = 2, [PARAMS_CID] = 4,
		[PARAMS_RESET] = RESET_PARAM_LEN, [PARAMS_FEC] = 1, [PARAMS_ECN] = 1 };

	if (type < sizeof lengths && lengths[type] != 0 && len != lengths[type])
		return KCPSHIM_E_FORMAT;
	switch (type) {
	case PARAMS_TIME:
		params->time = get(value, len);
		break;
	case PARAMS_RCV_WND:
		params->rcv_wnd = (uint32_t)get(value, len);
		break;
	case PARAMS_MTU:
		params->mtu = (uint16_t)get(value, len);
		break;
	case PARAMS_CID:
		params->cid = (uint32_t)get(value, len);
		break;
	case PARAMS_FEC:
		params->fec = value[0];
		break;
	case PARAMS_ECN:
		params->ecn = value[0];
		break;
	case PARAMS_RESET:
		memcpy(params->reset, value, RESET_PARAM_LEN);
		params->has_reset = true;
		break;
	case PARAMS_SUITES:
		if (len > PARAMS_SUITES_MAX)
			len = PARAMS_SUITES_MAX;
		memset(params->suites, 0, sizeof params->suites);
		memcpy(params->suites, value, len);
		params->nsuites = (uint8_t)len;
		break;
	}
	return 0;
}

int
params_read(struct handshake_params *params, const uint8_t *in, size_t len)
{
	size_t at = 0;

	memset(params, 0, sizeof *params);
	if (len > PARAMS_MAX)
		return KCPSHIM_E_RANGE;
	while (at < len && in[at] != PARAMS_END) {
		if (len - at < 2 || len - at - 2 < in[at + 1])
			return KCPSHIM_E_SHORT;
		int ret = read_entry(params, in[at], in + at + 2, in[at + 1]);
		if (ret < 0)
			return ret;
		at += 2u + in[at + 1];
	}
	return 0;
}

static int
has_suite(const uint8_t *suites, size_t n, uint8_t suite)
{
	for (size_t i = 0; i < n; i++) {
		if (suites[i] == suite)
			return 1;
	}
	return 0;
}

int
params_choose_suite(const struct handshake_params *client, const uint8_t *server, size_t nserver)
{
	if (client->nsuites == 0 || nserver == 0)
		return -1;
	if (client->suites[0] == server[0])
		return server[0];
	if (has_suite(client->suites, client->nsuites, SEAL_CHACHA20_POLY1305) && has_suite(server, nserver, SEAL_CHACHA20_POLY1305))
		return SEAL_CHACHA20_POLY1305;
	for (size_t i = 0; i < client->nsuites; i++) {
		if (has_suite(server, nserver, client->suites[i]))
			return client->suites[i];
	}
	return -1;
}
