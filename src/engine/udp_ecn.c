#include "udp_ecn.h"

#include <netinet/in.h>
#include <string.h>

#define ECN_MASK 3

void
udp_ecn_prepare(int fd, int domain)
{
	int on = 1;

	(void)setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on));
	if (domain == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof(on));
}

bool
udp_ecn_read(const struct cmsghdr *c, enum ecn_mark *mark)
{
	int value;

	if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
		*mark = (enum ecn_mark)(*CMSG_DATA(c) & ECN_MASK);
		return true;
	}
	if (c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_TCLASS)
		return false;
	memcpy(&value, CMSG_DATA(c), sizeof(value));
	*mark = (enum ecn_mark)(value & ECN_MASK);
	return true;
}

/* The program's DSCP stays; only IPv4 goes by IP_TOS, over whichever socket. */
static int
usual(struct udp_sock *u, bool six)
{
	socklen_t len = sizeof(u->tos);
	int fd = u->src.fd;

	if (!u->tos_known) {
		u->tos_known = true;
		if (getsockopt(fd, IPPROTO_IP, IP_TOS, &u->tos, &len) != 0)
			u->tos = 0;
		len = sizeof(u->tclass);
		if (u->domain != AF_INET6 || getsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &u->tclass, &len) != 0)
			u->tclass = 0;
	}
	return (six ? u->tclass : u->tos) & ~ECN_MASK;
}

void
udp_ecn_connected(struct udp_sock *u, const struct netaddr *peer, enum ecn_mark mark)
{
	bool six = peer->family == 6;
	int value;

	if (u->mark == mark)
		return;
	u->mark = (uint8_t)mark;
	value = usual(u, six) | (int)mark;
	(void)setsockopt(u->src.fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_TCLASS : IP_TOS, &value, sizeof(value));
}

size_t
udp_ecn_put(struct udp_sock *u, const struct netaddr *peer, enum ecn_mark mark, struct cmsghdr *c)
{
	bool six = peer->family == 6;
	int value;

	if (mark == ECN_NOT_ECT)
		return 0;
	value = usual(u, six) | (int)mark;
	c->cmsg_level = six ? IPPROTO_IPV6 : IPPROTO_IP;
	c->cmsg_type = six ? IPV6_TCLASS : IP_TOS;
	c->cmsg_len = CMSG_LEN(sizeof(value));
	memcpy(CMSG_DATA(c), &value, sizeof(value));
	return CMSG_SPACE(sizeof(value));
}
