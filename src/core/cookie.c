#include "cookie.h"

#include <string.h>

#include <nettle/hmac.h>
#include <nettle/memops.h>

#include "traffic.h"

void
cookie_jar_init(struct cookie_jar *jar, const uint8_t random[COOKIE_SECRET_LEN], uint64_t now)
{
	memset(jar, 0, sizeof *jar);
	memcpy(jar->secret[0], random, COOKIE_SECRET_LEN);
	jar->rotated_at = now;
}

bool
cookie_jar_due(const struct cookie_jar *jar, uint64_t now)
{
	return now - jar->rotated_at >= COOKIE_ROTATE_US;
}

void
cookie_jar_rotate(struct cookie_jar *jar, const uint8_t random[COOKIE_SECRET_LEN], uint64_t now)
{
	/* A server that was idle for long: what the present secret made is too old by now. */
	jar->has_previous = now - jar->rotated_at < 2 * COOKIE_ROTATE_US;
	memcpy(jar->secret[1], jar->secret[0], COOKIE_SECRET_LEN);
	if (!jar->has_previous)
		traffic_wipe(jar->secret[1], COOKIE_SECRET_LEN);
	memcpy(jar->secret[0], random, COOKIE_SECRET_LEN);
	jar->rotated_at = now;
}

void
cookie_jar_wipe(struct cookie_jar *jar)
{
	traffic_wipe(jar, sizeof *jar);
}

static void
cookie_mac(const uint8_t secret[COOKIE_SECRET_LEN], const struct netaddr *remote, const uint8_t ephemeral[32],
    uint8_t out[COOKIE_LEN])
{
	struct hmac_sha256_ctx hmac;
	uint8_t head[19];

	head[0] = remote->family;
	memcpy(head + 1, remote->ip, 16);
	head[17] = (uint8_t)remote->port;
	head[18] = (uint8_t)(remote->port >> 8);
	hmac_sha256_set_key(&hmac, COOKIE_SECRET_LEN, secret);
	hmac_sha256_update(&hmac, sizeof head, head);
	hmac_sha256_update(&hmac, 32, ephemeral);
	hmac_sha256_digest(&hmac, COOKIE_LEN, out);
	traffic_wipe(&hmac, sizeof hmac);
}

void
cookie_make(const struct cookie_jar *jar, const struct netaddr *remote, const uint8_t ephemeral[32], uint8_t out[COOKIE_LEN])
{
	cookie_mac(jar->secret[0], remote, ephemeral, out);
}

bool
cookie_valid(const struct cookie_jar *jar, const struct netaddr *remote, const uint8_t ephemeral[32],
    const uint8_t cookie[COOKIE_LEN])
{
	static const uint8_t none[COOKIE_LEN];
	uint8_t mac[COOKIE_LEN];
	int ok = 0;

	if (memcmp(cookie, none, COOKIE_LEN) == 0)
		return false;
	for (int i = 0; i < (jar->has_previous ? 2 : 1); i++) {
		cookie_mac(jar->secret[i], remote, ephemeral, mac);
		ok |= memeql_sec(mac, cookie, COOKIE_LEN);
	}
	traffic_wipe(mac, sizeof mac);
	return ok != 0;
}
