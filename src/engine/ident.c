#include "ident.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#define IDENT_PREFIX "kcps"
#define ENGINE_DIGITS 12
#define ID_DIGITS 8
#define PORT_DIGITS 4
#define SCOPE_DIGITS 8

static const char hex_digits[] = "0123456789abcdef";

static char *
put_hex(char *p, uint64_t value, int digits)
{
	for (int i = digits - 1; i >= 0; i--) {
		p[i] = hex_digits[value & 15];
		value >>= 4;
	}
	return p + digits;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Reads exactly `digits` digits and moves *p on; false when one is missing or no digit. */
static bool
get_hex(const char **p, const char *end, int digits, uint64_t *value)
{
	if (end - *p < digits)
		return false;
	*value = 0;
	for (int i = 0; i < digits; i++) {
		int v = hex_value(*(*p)++);

		if (v < 0)
			return false;
		*value = *value << 4 | (uint64_t)v;
	}
	return true;
}

static size_t
ip_bytes(int domain)
{
	return domain == AF_INET ? 4 : 16;
}

static char *
put_addr(char *p, const struct netaddr *a, int domain)
{
	struct netaddr copy = *a;

	if (domain == AF_INET6 && copy.family == 4)
		netaddr_map(&copy);
	for (size_t i = 0; i < ip_bytes(domain); i++)
		p = put_hex(p, copy.ip[i], 2);
	return put_hex(p, copy.port, PORT_DIGITS);
}

static bool
get_addr(const char **p, const char *end, int domain, struct netaddr *a)
{
	uint64_t v;

	*a = (struct netaddr){ .family = domain == AF_INET ? 4 : 6 };
	for (size_t i = 0; i < ip_bytes(domain); i++) {
		if (!get_hex(p, end, 2, &v))
			return false;
		a->ip[i] = (uint8_t)v;
	}
	if (!get_hex(p, end, PORT_DIGITS, &v))
		return false;
	a->port = (uint16_t)v;
	return true;
}

static bool
is_link_local(const struct netaddr *a)
{
	return a->family == 6 && a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80;
}

socklen_t
ident_format(const struct ident *id, struct sockaddr_un *un)
{
	uint32_t scope = id->peer.scope ? id->peer.scope : id->local.scope;
	char *p;

	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	p = un->sun_path + 1;
	memcpy(p, IDENT_PREFIX, strlen(IDENT_PREFIX));
	p += strlen(IDENT_PREFIX);
	*p++ = (char)id->role;
	p = put_hex(p, id->engine, ENGINE_DIGITS);
	p = put_hex(p, id->id, ID_DIGITS);
	*p++ = id->domain == AF_INET ? '4' : '6';
	p = put_addr(p, &id->local, id->domain);
	if (id->role != IDENT_LISTENER)
		p = put_addr(p, &id->peer, id->domain);
	if (scope != 0)
		p = put_hex(p, scope, SCOPE_DIGITS);
	return (socklen_t)(p - (char *)un);
}

static bool
parse_head(struct ident *id, const char **p, const char *end)
{
	uint64_t engine, number;
	char role;

	if (end - *p < (ptrdiff_t)strlen(IDENT_PREFIX) + 1 || memcmp(*p, IDENT_PREFIX, strlen(IDENT_PREFIX)) != 0)
		return false;
	*p += strlen(IDENT_PREFIX);
	role = *(*p)++;
	if (role != IDENT_CONNECTED && role != IDENT_ACCEPTED && role != IDENT_LISTENER)
		return false;
	id->role = (enum ident_role)role;
	if (!get_hex(p, end, ENGINE_DIGITS, &engine) || !get_hex(p, end, ID_DIGITS, &number) || number == 0)
		return false;
	id->engine = engine;
	id->id = (uint32_t)number;
	if (*p == end || (**p != '4' && **p != '6'))
		return false;
	id->domain = *(*p)++ == '4' ? AF_INET : AF_INET6;
	return true;
}

bool
ident_parse(struct ident *id, const struct sockaddr_un *un, socklen_t len)
{
	const char *p = un->sun_path + 1;
	const char *end = (const char *)un + len;
	uint64_t scope = 0;

	if (len <= offsetof(struct sockaddr_un, sun_path) + 1 || len > sizeof(*un))
		return false;
	if (un->sun_family != AF_UNIX || un->sun_path[0] != '\0')
		return false;
	memset(id, 0, sizeof(*id));
	if (!parse_head(id, &p, end) || !get_addr(&p, end, id->domain, &id->local))
		return false;
	if (id->role != IDENT_LISTENER && !get_addr(&p, end, id->domain, &id->peer))
		return false;
	if (p != end && (!get_hex(&p, end, SCOPE_DIGITS, &scope) || p != end))
		return false;
	if (is_link_local(&id->local))
		id->local.scope = (uint32_t)scope;
	if (is_link_local(&id->peer))
		id->peer.scope = (uint32_t)scope;
	return true;
}

socklen_t
ident_engine_name(uint64_t engine, struct sockaddr_un *un)
{
	char *p = un->sun_path + 1;

	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	memcpy(p, IDENT_ENGINE_PREFIX, strlen(IDENT_ENGINE_PREFIX));
	p = put_hex(p + strlen(IDENT_ENGINE_PREFIX), engine, ENGINE_DIGITS);
	return (socklen_t)(p - (char *)un);
}

socklen_t
ident_to_sockaddr(const struct netaddr *a, int domain, struct sockaddr_storage *ss)
{
	struct netaddr copy = *a;

	memset(ss, 0, sizeof(*ss));
	if (domain == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)ss;

		netaddr_unmap(&copy);
		in->sin_family = AF_INET;
		in->sin_port = htons(copy.port);
		memcpy(&in->sin_addr, copy.ip, 4);
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

	if (copy.family == 4)
		netaddr_map(&copy);
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(copy.port);
	in6->sin6_scope_id = copy.scope;
	memcpy(&in6->sin6_addr, copy.ip, 16);
	return sizeof(*in6);
}

bool
ident_from_sockaddr(struct netaddr *a, const struct sockaddr *sa, socklen_t len)
{
	*a = (struct netaddr){ 0 };
	if (len < sizeof(sa->sa_family))
		return false;
	if (sa->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)sa;

		a->family = 4;
		a->port = ntohs(in->sin_port);
		memcpy(a->ip, &in->sin_addr, 4);
		return true;
	}
	/* The scope id came later than the rest (RFC 2133): Linux takes addresses without it. */
	if (sa->sa_family == AF_INET6 && len >= offsetof(struct sockaddr_in6, sin6_scope_id)) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;

		a->family = 6;
		a->port = ntohs(in6->sin6_port);
		memcpy(a->ip, &in6->sin6_addr, 16);
		if (len >= sizeof(*in6) && is_link_local(a))
			a->scope = in6->sin6_scope_id;
		return true;
	}
	return false;
}
