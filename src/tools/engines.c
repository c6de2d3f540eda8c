#include "engines.h"

#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "../engine/ident.h"

#define ANSWER_TIMEOUT 3         /* s; an engine answers at once unless it is stopped */

static bool
known(const struct engines *e, const char *name)
{
	for (size_t i = 0; i < e->count; i++)
		if (strcmp(e->name[i], name) == 0)
			return true;
	return false;
}

static int
add(struct engines *e, const char *name)
{
	char (*p)[ENGINE_NAME_LEN];

	if (strlen(name) >= ENGINE_NAME_LEN || known(e, name))
		return 0;
	p = reallocarray(e->name, e->count + 1, sizeof(*p));
	if (p == NULL)
		return ENOMEM;
	e->name = p;
	strcpy(e->name[e->count++], name);
	return 0;
}

int
engines_find(struct engines *e)
{
	static const char mark[] = " @" IDENT_ENGINE_PREFIX;
	FILE *f = fopen("/proc/net/unix", "re");
	size_t cap = 0;
	char *line = NULL, *at;
	int error = 0;

	memset(e, 0, sizeof(*e));
	if (f == NULL)
		return errno;
	while (error == 0 && getline(&line, &cap, f) > 0) {
		line[strcspn(line, "\n")] = '\0';
		at = strstr(line, mark);
		if (at != NULL)
			error = add(e, at + 2);
	}
	free(line);
	fclose(f);
	return error;
}

void
engines_free(struct engines *e)
{
	free(e->name);
	memset(e, 0, sizeof(*e));
}

/* Any user can bind such a name: believe root's and our own engines only, except that root asks everybody's. */
static int
check_owner(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return -errno;
	return geteuid() == 0 || cred.uid == geteuid() ? 0 : -EPERM;
}

static int
engine_connect(const char *name)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct timeval tv = { .tv_sec = ANSWER_TIMEOUT };
	size_t len = strlen(name);
	int error, fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	memcpy(un.sun_path + 1, name, len);
	/* connect(2) to a full queue waits as long as a send may. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) != 0 ||
	    connect(fd, (struct sockaddr *)&un, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len)) != 0)
		error = errno == EAGAIN ? -ETIMEDOUT : -errno;
	else
		error = check_owner(fd);
	if (error == 0)
		return fd;
	close(fd);
	return error;
}

int
engine_ask(const char *name, struct ctl_request *request)
{
	int error, fd = engine_connect(name);

	if (fd < 0)
		return fd;
	request->magic = CTL_MAGIC;
	request->version = CTL_VERSION;
	if (send(fd, request, sizeof(*request), MSG_NOSIGNAL) == (ssize_t)sizeof(*request))
		return fd;
	error = errno == EAGAIN ? -ETIMEDOUT : -errno;
	close(fd);
	return error;
}

int
engine_answer(int fd, void *msg, size_t len, unsigned *version)
{
	union {
		struct ctl_status status;
		struct ctl_reply reply;
		uint32_t head[2];                /* magic, version */
	} m;
	ssize_t n = recv(fd, &m, sizeof(m), MSG_TRUNC);

	if (n == 0)
		return 0;
	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	if ((size_t)n < sizeof(m.head) || m.head[0] != CTL_MAGIC)
		return -EPROTO;
	*version = m.head[1];
	if (*version != CTL_VERSION)
		return -EPROTONOSUPPORT;
	if ((size_t)n == len) {
		memcpy(msg, &m, len);
		return 1;
	}
	if ((size_t)n == sizeof(m.reply) && m.reply.error != 0)
		return m.reply.error > 0 ? -m.reply.error : -EPROTO;
	return -EPROTO;
}

int
engine_status(const char *name, void (*each)(const struct ctl_status *, void *), void *arg, unsigned *version)
{
	struct ctl_request q = { .op = CTL_STATUS };
	struct ctl_status s;
	int got, fd = engine_ask(name, &q);

	if (fd < 0)
		return fd;
	while ((got = engine_answer(fd, &s, sizeof(s), version)) > 0 && s.kind != 0)
		each(&s, arg);
	close(fd);
	/* An end without the last message: the engine ended while it spoke. */
	return got > 0 ? 0 : got == 0 ? -ECONNRESET : got;
}

int
engine_complain(const char *name, int error, unsigned version)
{
	switch (error) {
	case 0:
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -EPIPE:
	case -ENOENT:
	case -EPERM:
		return 0;
	case -ETIMEDOUT:
		warnx("engine %s does not answer", name);
		return 1;
	case -EPROTONOSUPPORT:
		warnx("engine %s speaks version %u of the control protocol, this kcpctl speaks %u", name, version, CTL_VERSION);
		return 1;
	case -EPROTO:
		warnx("engine %s is not one of this version", name);
		return 1;
	default:
		warnx("engine %s: %s", name, strerror(-error));
		return 1;
	}
}
