#include "udp_bind.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ident.h"

void
udp_bind_reuse(int fd, bool on)
{
	int value = on;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, sizeof(value));
}

void
udp_bind_share(int fd, bool on)
{
	int value = on;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &value, sizeof(value));
}

/* A line of /proc/net/udp: "sl local:port remote:port ...". True: unconnected, on this port. */
static bool
udp_line_owns(const char *line, unsigned port)
{
	char local[40], remote[40];
	unsigned lport, rport, sl;

	return sscanf(line, " %u: %39[0-9A-F]:%X %39[0-9A-F]:%X", &sl, local, &lport, remote, &rport) == 5 &&
	    lport == port && rport == 0;
}

/* Whether an unconnected UDP socket owns the port: with SO_REUSEADDR on both sides bind(2) alone would not tell. */
static bool
udp_port_owned(unsigned port)
{
	static const char *const files[] = { "/proc/net/udp", "/proc/net/udp6" };
	bool owned = false;

	for (int f = 0; f < 2 && !owned; f++) {
		int fd = open(files[f], O_RDONLY | O_CLOEXEC);
		char buf[4096];
		size_t have = 0;
		ssize_t n;

		if (fd < 0)
			return true; /* cannot be excluded */
		while (!owned && (n = read(fd, buf + have, sizeof(buf) - 1 - have)) > 0) {
			char *line = buf, *end;

			have += (size_t)n;
			buf[have] = '\0';
			while (!owned && (end = strchr(line, '\n')) != NULL) {
				*end = '\0';
				owned = udp_line_owns(line, port);
				line = end + 1;
			}
			have -= (size_t)(line - buf);
			memmove(buf, line, have);
		}
		close(fd);
	}
	return owned;
}

int
udp_bind(int fd, int domain, const struct netaddr *local, enum udp_share share)
{
	struct sockaddr_storage ss;
	socklen_t len = ident_to_sockaddr(local, domain, &ss);
	int error;

	if (share == UDP_BESIDE || share == UDP_LANE)
		udp_bind_reuse(fd, true);
	if (share == UDP_SHARED || share == UDP_LANE)
		udp_bind_share(fd, true);
	if (bind(fd, (struct sockaddr *)&ss, len) == 0)
		return 0;
	error = errno; /* /proc may be out of reach, as in a chroot */
	if (error != EADDRINUSE || share != UDP_LISTEN || udp_port_owned(local->port))
		return error;
	udp_bind_reuse(fd, true);
	if (bind(fd, (struct sockaddr *)&ss, len) != 0)
		return errno;
	udp_bind_reuse(fd, false);
	return 0;
}
