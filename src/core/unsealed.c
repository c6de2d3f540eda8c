#include "unsealed.h"

#include <string.h>

#include "bytes.h"
#include "crc32c.h"
#include "error.h"
#include "handshake.h"

#define INIT_COOKIE_AT 24u
#define INIT_TOKEN_AT 40u
#define RETRY_COOKIE_AT 8u
#define ACCEPT_CID_AT 8u
#define ACCEPT_TOKEN_AT 12u

static void
crc_append(uint8_t *d, size_t len)
{
	bytes_put32(d + len, crc32c(0, d, len));
}

/* What both flights have in common: length, version, reserved bytes, checksum, parameters. */
static int
flight_read(const uint8_t *d, size_t len, size_t header, struct handshake_params *params)
{
	if (len < header + UNSEALED_CRC_LEN)
		return KCPSHIM_E_SHORT;
	if (d[5] != UNSEALED_VERSION)
		return KCPSHIM_E_VERSION;
	len -= UNSEALED_CRC_LEN;
	if (bytes_get32(d + len) != crc32c(0, d, len))
		return KCPSHIM_E_AUTH;
	if (bytes_get16(d + 6) != 0 || params_read(params, d + header, len - header) != 0)
		return KCPSHIM_E_FORMAT;
	return 0;
}

void
unsealed_init_write(uint8_t out[UNSEALED_INIT_LEN], uint32_t cid, const uint8_t token[UNSEALED_TOKEN_LEN],
    const struct handshake_params *params)
{
	memset(out, 0, UNSEALED_INIT_LEN);
	bytes_put32(out, cid);
	out[4] = HANDSHAKE_KIND_INIT;
	out[5] = UNSEALED_VERSION;
	memcpy(out + INIT_TOKEN_AT, token, UNSEALED_TOKEN_LEN);
	params_write(params, out + UNSEALED_INIT_HEADER);
	crc_append(out, UNSEALED_INIT_HEADER + PARAMS_LEN);
}

int
unsealed_init_read(const uint8_t *d, size_t len, uint32_t *cid, const uint8_t **token, struct handshake_params *params)
{
	int error = flight_read(d, len, UNSEALED_INIT_HEADER, params);

	if (error != 0)
		return error;
	*cid = bytes_get32(d);
	*token = d + INIT_TOKEN_AT;
	return *cid == 0 ? KCPSHIM_E_FORMAT : 0;
}

void
unsealed_accept_write(uint8_t out[UNSEALED_ACCEPT_LEN], uint32_t client_cid, uint32_t server_cid,
    const uint8_t token[UNSEALED_TOKEN_LEN], const struct handshake_params *params)
{
	memset(out, 0, UNSEALED_ACCEPT_LEN);
	bytes_put32(out, client_cid);
	out[4] = HANDSHAKE_KIND_ACCEPT;
	out[5] = UNSEALED_VERSION;
	bytes_put32(out + ACCEPT_CID_AT, server_cid);
	memcpy(out + ACCEPT_TOKEN_AT, token, UNSEALED_TOKEN_LEN);
	params_write(params, out + UNSEALED_ACCEPT_HEADER);
	crc_append(out, UNSEALED_ACCEPT_HEADER + PARAMS_LEN);
}

int
unsealed_accept_read(const uint8_t *d, size_t len, const uint8_t token[UNSEALED_TOKEN_LEN], struct handshake_params *params)
{
	int error = flight_read(d, len, UNSEALED_ACCEPT_HEADER, params);

	if (error != 0)
		return error;
	if (memcmp(d + ACCEPT_TOKEN_AT, token, UNSEALED_TOKEN_LEN) != 0)
		return KCPSHIM_E_AUTH;
	params->cid = bytes_get32(d + ACCEPT_CID_AT);
	return params->cid == 0 ? KCPSHIM_E_FORMAT : 0;
}

size_t
unsealed_retry_write(uint8_t out[UNSEALED_RETRY_LEN], uint32_t client_cid, const uint8_t cookie[COOKIE_LEN])
{
	memset(out, 0, UNSEALED_RETRY_LEN);
	bytes_put32(out, client_cid);
	out[4] = HANDSHAKE_KIND_RETRY;
	out[5] = UNSEALED_VERSION;
	memcpy(out + RETRY_COOKIE_AT, cookie, COOKIE_LEN);
	crc_append(out, UNSEALED_RETRY_LEN - UNSEALED_CRC_LEN);
	return UNSEALED_RETRY_LEN;
}

int
unsealed_retry_read(const uint8_t *d, size_t len, uint8_t init[UNSEALED_INIT_LEN])
{
	if (len != UNSEALED_RETRY_LEN)
		return KCPSHIM_E_SHORT;
	if (d[5] != UNSEALED_VERSION)
		return KCPSHIM_E_VERSION;
	len -= UNSEALED_CRC_LEN;
	if (bytes_get32(d + len) != crc32c(0, d, len))
		return KCPSHIM_E_AUTH;
	if (bytes_get16(d + 6) != 0)
		return KCPSHIM_E_FORMAT;
	memcpy(init + INIT_COOKIE_AT, d + RETRY_COOKIE_AT, COOKIE_LEN);
	crc_append(init, UNSEALED_INIT_HEADER + PARAMS_LEN);
	return 0;
}
