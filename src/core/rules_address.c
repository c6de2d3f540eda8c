#include "rules_int.h"

#include <arpa/inet.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

#define SHOWN 64

static int
refuse(char *msg, size_t msglen, const char *word, size_t len, const char *why)
{
	char shown[SHOWN];

	rules_printable(shown, sizeof(shown), word, len);
	snprintf(msg, msglen, "\"%s\" %s", shown, why);
	return KCPSHIM_E_FORMAT;
}

static int
port_range(struct rules_ports *p, const char *text, size_t len, char *msg, size_t msglen)
{
	const char *dash = memchr(text, '-', len);
	size_t flen = dash != NULL ? (size_t)(dash - text) : len;
	uint64_t first, last;

	if (!rules_number(text, flen, 1, 65535, &first))
		return refuse(msg, msglen, text, len, "is not a port (1 to 65535)");
	last = first;
	if (dash != NULL && !rules_number(dash + 1, len - flen - 1, 1, 65535, &last))
		return refuse(msg, msglen, text, len, "is not a range of ports (1 to 65535)");
	if (last < first)
		return refuse(msg, msglen, text, len, "is upside down: the first port is above the last");
	p->first = (uint16_t)first;
	p->last = (uint16_t)last;
	return KCPSHIM_OK;
}

static int
ports_compare(const void *a, const void *b)
{
	const struct rules_ports *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

/* Sorts the ranges and joins those that touch, so that one set of ports has one form. */
static void
ports_normalise(struct rule *r)
{
	size_t out = 0;

	qsort(r->ports, r->nports, sizeof(*r->ports), ports_compare);
	for (size_t i = 1; i < r->nports; i++) {
		if (r->ports[i].first > r->ports[out].last + 1)
			r->ports[++out] = r->ports[i];
		else if (r->ports[i].last > r->ports[out].last)
			r->ports[out].last = r->ports[i].last;
	}
	r->nports = out + 1;
}

int
rules_ports_parse(struct rule *r, const char *text, size_t len, char *msg, size_t msglen)
{
	bool all = len == 1 && text[0] == '*';
	const char *end = text + len, *p = text;
	size_t n = 1;

	for (size_t i = 0; i < len; i++)
		n += text[i] == ',';
	r->ports = calloc(n, sizeof(*r->ports));
	if (r->ports == NULL)
		return KCPSHIM_E_NOMEM;
	r->nports = n;
	if (all) {
		r->ports[0].first = 1;
		r->ports[0].last = 65535;
		return KCPSHIM_OK;
	}
	for (size_t i = 0; i < n; i++) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		size_t plen = (size_t)((comma != NULL ? comma : end) - p);
		int error = port_range(&r->ports[i], p, plen, msg, msglen);

		if (error != KCPSHIM_OK)
			return error;
		p += plen + 1;
	}
	ports_normalise(r);
	return KCPSHIM_OK;
}

static void
address_mask(struct rule *r)
{
	for (unsigned i = 0; i < 16; i++) {
		unsigned bits = r->prefix > i * 8 ? r->prefix - i * 8 : 0;

		if (bits < 8)
			r->ip[i] &= (uint8_t)(0xff00u >> bits);
	}
}

/* [::ffff:10.0.0.0]/104 is 10.0.0.0/8: addresses are compared in their IPv4 form. */
static void
address_unmap(struct rule *r)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (r->family != 6 || r->prefix < 96 || memcmp(r->ip, mapped, sizeof(mapped)) != 0)
		return;
	memmove(r->ip, r->ip + 12, 4);
	memset(r->ip + 4, 0, 12);
	r->family = 4;
	r->prefix = (uint8_t)(r->prefix - 96);
}

/* text[0..len) without brackets and prefix */
static int
address_ip(struct rule *r, const char *text, size_t len, char *msg, size_t msglen)
{
	char ip[INET6_ADDRSTRLEN];

	if (len < sizeof(ip)) {
		memcpy(ip, text, len);
		ip[len] = '\0';
		if (strlen(ip) == len && inet_pton(r->family == 6 ? AF_INET6 : AF_INET, ip, r->ip) == 1)
			return KCPSHIM_OK;
	}
	return refuse(msg, msglen, text, len, r->family == 6 ? "is not an IPv6 address" :
	    "is not an IPv4 address (names are not looked up; IPv6 is written in [ ])");
}

int
rules_address_parse(struct rule *r, const char *text, size_t len, char *msg, size_t msglen)
{
	const char *slash = memchr(text, '/', len);
	size_t alen = slash != NULL ? (size_t)(slash - text) : len;
	uint64_t bits, max;
	int error;

	if (len == 1 && text[0] == '*') {
		r->family = 0;
		r->prefix = 0;
		return KCPSHIM_OK;
	}
	r->family = text[0] == '[' ? 6 : 4;
	max = r->family == 6 ? 128 : 32;
	bits = max;
	if (r->family == 6 && (alen < 2 || text[alen - 1] != ']'))
		return refuse(msg, msglen, text, len, "has a [ without its ]");
	error = r->family == 6 ? address_ip(r, text + 1, alen - 2, msg, msglen) :
	    address_ip(r, text, alen, msg, msglen);
	if (error != KCPSHIM_OK)
		return error;
	if (slash != NULL && !rules_number(slash + 1, len - alen - 1, 0, max, &bits))
		return refuse(msg, msglen, text, len, r->family == 6 ? "has a bad prefix length (0 to 128)" :
		    "has a bad prefix length (0 to 32)");
	r->prefix = (uint8_t)bits;
	address_mask(r);
	address_unmap(r);
	return KCPSHIM_OK;
}
