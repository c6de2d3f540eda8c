#include "netaddr.h"

#include <stdio.h>
#include <string.h>

static const uint8_t mapped_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

bool
netaddr_equal(const struct netaddr *a, const struct netaddr *b)
{
	return a->family == b->family && a->port == b->port && a->scope == b->scope &&
	    memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

bool
netaddr_same_site(const struct netaddr *a, const struct netaddr *b)
{
	return a->family == b->family && memcmp(a->ip, b->ip, a->family == 4 ? 4 : 8) == 0;
}

static uint32_t
hash_byte(uint32_t h, uint8_t byte)
{
	return (h ^ byte) * 16777619u;
}

uint32_t
netaddr_hash(const struct netaddr *a, uint32_t seed)
{
	uint32_t h = 2166136261u ^ seed;
	size_t i;

	h = hash_byte(h, a->family);
	for (i = 0; i < sizeof(a->ip); i++)
		h = hash_byte(h, a->ip[i]);
	h = hash_byte(h, (uint8_t)a->port);
	h = hash_byte(h, (uint8_t)(a->port >> 8));
	for (i = 0; i < 4; i++)
		h = hash_byte(h, (uint8_t)(a->scope >> (8 * i)));
	/* FNV leaves the low bits of the last bytes weak; tables use the low bits. */
	h ^= h >> 15;
	h *= 0x2c1b3c6du;
	h ^= h >> 13;
	return h;
}

/* Length of the longest run of zero groups (at least two, RFC 5952 4.2), its start in *at. */
static int
zero_run(const uint16_t group[8], int *at)
{
	int best = 0, i, j;

	*at = -1;
	for (i = 0; i < 8; i = j + 1) {
		for (j = i; j < 8 && group[j] == 0; j++)
			;
		if (j - i > best && j - i >= 2) {
			best = j - i;
			*at = i;
		}
	}
	return best;
}

static size_t
format_ip6(const struct netaddr *a, char *buf, size_t len)
{
	uint16_t group[8];
	int run, at, i;
	size_t n = 0;

	for (i = 0; i < 8; i++)
		group[i] = (uint16_t)(a->ip[2 * i] << 8 | a->ip[2 * i + 1]);
	if (memcmp(a->ip, mapped_prefix, sizeof(mapped_prefix)) == 0)
		return (size_t)snprintf(buf, len, "::ffff:%u.%u.%u.%u", a->ip[12], a->ip[13], a->ip[14], a->ip[15]);
	run = zero_run(group, &at);
	for (i = 0; i < 8; i++) {
		if (i == at) {
			n += (size_t)snprintf(buf + n, len - n, "::");
			i += run - 1;
			continue;
		}
		n += (size_t)snprintf(buf + n, len - n, "%s%x", i == 0 || (at >= 0 && i == at + run) ? "" : ":", group[i]);
	}
	return n;
}

const char *
netaddr_format(const struct netaddr *a, char buf[NETADDR_STRLEN])
{
	size_t n;

	switch (a->family) {
	case 4:
		snprintf(buf, NETADDR_STRLEN, "%u.%u.%u.%u:%u", a->ip[0], a->ip[1], a->ip[2], a->ip[3], a->port);
		break;
	case 6:
		buf[0] = '[';
		n = 1 + format_ip6(a, buf + 1, NETADDR_STRLEN - 1);
		if (a->scope != 0)
			n += (size_t)snprintf(buf + n, NETADDR_STRLEN - n, "%%%u", a->scope);
		snprintf(buf + n, NETADDR_STRLEN - n, "]:%u", a->port);
		break;
	default:
		snprintf(buf, NETADDR_STRLEN, "*:%u", a->port);
	}
	return buf;
}

void
netaddr_unmap(struct netaddr *a)
{
	if (a->family != 6 || memcmp(a->ip, mapped_prefix, sizeof(mapped_prefix)) != 0)
		return;
	memmove(a->ip, a->ip + 12, 4);
	memset(a->ip + 4, 0, 12);
	a->family = 4;
	a->scope = 0;
}

void
netaddr_map(struct netaddr *a)
{
	if (a->family != 4)
		return;
	memmove(a->ip + 12, a->ip, 4);
	memcpy(a->ip, mapped_prefix, sizeof(mapped_prefix));
	a->family = 6;
	a->scope = 0;
}

bool
path_equal(const struct path *a, const struct path *b)
{
	return a->sock == b->sock && netaddr_equal(&a->local, &b->local) && netaddr_equal(&a->remote, &b->remote);
}
