#include "settle.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "engine/ident.h"
#include "real.h"

/* A line of /proc/net/unix ends with the name, where '@' stands for the first NUL of an abstract one. */
static bool
line_names_listener(const char *line, uint16_t port, struct ident *id)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const char *name = strrchr(line, '@');
	size_t len = name ? strlen(name) : 0;

	if (len <= 1 || len > sizeof(un.sun_path))
		return false;
	memcpy(un.sun_path + 1, name + 1, len - 1);
	return ident_parse(id, &un, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) &&
	    id->role == IDENT_LISTENER && id->local.port == port;
}

/* Without an answer the engine has ended, and the port is free of it. */
static bool
ask_engine(uint64_t engine, int fd)
{
	struct ctl_request req;
	struct ctl_reply rep;

	ctl_prepare(&req, CTL_SYNC, NULL);
	if (ctl_exchange(engine, &req, -1, &rep, NULL) != 0)
		return false;
	ctl_prepare(&req, CTL_SHARE, NULL);
	return ctl_exchange(engine, &req, fd, &rep, NULL) == 0 && rep.error == 0;
}

bool
settle_port(uint16_t port, int socket)
{
	char buf[4096];
	size_t have = 0;
	ssize_t n;
	int saved = errno, cancel, fd;
	bool shared = false;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	fd = open("/proc/net/unix", O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && (n = read(fd, buf + have, sizeof(buf) - 1 - have)) > 0) {
		char *line = buf, *end;
		struct ident id;

		have += (size_t)n;
		buf[have] = '\0';
		while ((end = strchr(line, '\n')) != NULL) {
			*end = '\0';
			if (line_names_listener(line, port, &id))
				shared |= ask_engine(id.engine, socket);
			line = end + 1;
		}
		have -= (size_t)(line - buf);
		memmove(buf, line, have);
	}
	if (fd >= 0)
		real_dispose(fd);
	pthread_setcancelstate(cancel, NULL);
	errno = saved;
	return shared;
}
