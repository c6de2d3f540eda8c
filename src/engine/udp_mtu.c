#include "udp_mtu.h"

#include <netinet/in.h>
#include <sys/socket.h>

#ifndef IP_PMTUDISC_PROBE
#define IP_PMTUDISC_PROBE 3
#endif
#ifndef IPV6_PMTUDISC_PROBE
#define IPV6_PMTUDISC_PROBE 3
#endif

#define IPV6_LEAST_MTU 1280

static void
set(int fd, int level, int name, int value)
{
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

void
udp_mtu_prepare(int fd, int domain)
{
	udp_mtu_fragment(fd, domain, false);
}

void
udp_mtu_fragment(int fd, int domain, bool on)
{
	set(fd, IPPROTO_IP, IP_MTU_DISCOVER, on ? IP_PMTUDISC_DONT : IP_PMTUDISC_PROBE);
	if (domain != AF_INET6)
		return;
	set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, on ? IPV6_PMTUDISC_DONT : IPV6_PMTUDISC_PROBE);
	/* No router does it for IPv6, so the sender has to; 1280 bytes pass everywhere. */
	set(fd, IPPROTO_IPV6, IPV6_MTU, on ? IPV6_LEAST_MTU : 0);
}

size_t
udp_mtu_payload(const struct netaddr *remote, uint32_t mtu)
{
	uint32_t headers = remote->family == 6 ? 48 : 28;

	return mtu > headers ? mtu - headers : 0;
}
