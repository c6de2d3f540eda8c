/* bind: a port that the kernel picks for a TCP socket has to be free for UDP too, in case the program listens on it. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "real.h"
#include "settle.h"
#include "shim.h"

#define TRIES 16

static void
set_port(struct sockaddr *sa, uint16_t network_order)
{
	if (sa->sa_family == AF_INET)
		((struct sockaddr_in *)sa)->sin_port = network_order;
	else
		((struct sockaddr_in6 *)sa)->sin6_port = network_order;
}

static uint16_t
get_port(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return ((const struct sockaddr_in *)sa)->sin_port;
	return ((const struct sockaddr_in6 *)sa)->sin6_port;
}

static bool
is_tcp(int fd)
{
	int value = 0;
	socklen_t len = sizeof(value);

	if (real()->getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &value, &len) != 0 || value != IPPROTO_TCP)
		return false;
	len = sizeof(value);
	/* With this option bind() is not to choose a port. */
	return real()->getsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &value, &len) == 0 && value == 0;
}

/* Lets a UDP socket choose the port, so that both are free of it at this moment. */
static int
bind_both(int fd, int udp, struct sockaddr *sa, socklen_t len)
{
	struct sockaddr_storage got;
	socklen_t got_len = sizeof(got);

	if (real()->bind(udp, sa, len) != 0 || real()->getsockname(udp, (struct sockaddr *)&got, &got_len) != 0)
		return -1;
	set_port(sa, get_port((struct sockaddr *)&got));
	return real()->bind(fd, sa, len);
}

/* True when fd was bound. On false the kernel's own choice is as good, and tells the right error. */
static bool
bind_free_port(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct sockaddr_storage ss = { 0 };
	int saved = errno, rc = -1, only = 0;
	socklen_t only_len = sizeof(only);

	for (int tries = 0; tries < TRIES && rc != 0; tries++) {
		int udp = socket(sa->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		if (udp < 0)
			break;
		if (sa->sa_family == AF_INET6 &&
		    real()->getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &only_len) == 0)
			real()->setsockopt(udp, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
		memcpy(&ss, sa, len);
		rc = bind_both(fd, udp, (struct sockaddr *)&ss, len);
		real_dispose(udp);
		if (rc != 0 && errno != EADDRINUSE)
			break;
	}
	errno = saved;
	return rc == 0;
}

EXPORT int
bind(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len)
{
	const struct sockaddr *sa = addr.__sockaddr__;
	struct netaddr a;
	int saved = errno, rc;

	if (!shim.config.active || sa == NULL || !ident_from_sockaddr(&a, sa, len))
		return real()->bind(fd, addr, len);
	if (a.port == 0 && len <= sizeof(struct sockaddr_storage) && is_tcp(fd) && bind_free_port(fd, sa, len))
		return 0;
	rc = real()->bind(fd, addr, len);
	if (rc != 0 && errno == EADDRINUSE && a.port != 0 && is_tcp(fd)) {
		(void)settle_port(a.port, fd);
		errno = saved;
		rc = real()->bind(fd, addr, len);
	}
	return rc;
}
