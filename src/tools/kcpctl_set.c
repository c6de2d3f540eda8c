#include "kcpctl.h"

#include <bsd/string.h>
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../core/rules.h"
#include "engines.h"

struct wanted {
	uint32_t pid, id;
	bool found;
};

static void
look(const struct ctl_status *s, void *arg)
{
	struct wanted *w = arg;

	if (s->kind == 2 && s->pid == w->pid && s->id == w->id)
		w->found = true;
}

/* Name of the engine that has the session, or NULL. */
static const char *
find(const struct engines *engines, struct wanted *w)
{
	for (size_t i = 0; i < engines->count; i++) {
		unsigned version = 0;
		int error = engine_status(engines->name[i], look, w, &version);

		if (w->found)
			return engines->name[i];
		engine_complain(engines->name[i], error, version);
	}
	return NULL;
}

/* 0 or a negative errno. */
static int
set(const char *engine, uint32_t id, const char *name, const char *value, unsigned *version)
{
	struct ctl_request q = { .op = CTL_SET, .id = id };
	struct ctl_reply reply;
	int error, fd;

	if (strlcpy(q.name, name, sizeof(q.name)) >= sizeof(q.name) ||
	    strlcpy((char *)q.opt, value, sizeof(q.opt)) >= sizeof(q.opt))
		return -E2BIG;
	q.optlen = (uint32_t)strlen(value) + 1;
	fd = engine_ask(engine, &q);
	if (fd < 0)
		return fd;
	error = engine_answer(fd, &reply, sizeof(reply), version);
	close(fd);
	return error < 0 ? error : error == 0 ? -ECONNRESET : -reply.error;
}

static int
report(const char *session, const char *name, const char *engine, int error, unsigned version)
{
	switch (error) {
	case 0:
		return 0;
	case -EINVAL:
	case -EOPNOTSUPP:
		warnx("%s: %s cannot be changed while the session runs", session, name);
		break;
	case -ENOENT:
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -EPIPE:
		warnx("%s: the session is over", session);
		break;
	default:
		if (!engine_complain(engine, error, version))
			warnx("%s: %s", session, strerror(-error));
	}
	return 1;
}

int
kcpctl_set(int argc, char **argv)
{
	struct rules_options opts = { 0 };
	struct engines engines;
	struct wanted w = { 0 };
	const char *engine, *value;
	char name[64], msg[RULES_ERRLEN], rest;
	unsigned version = 0;
	int status;

	if (argc != 3 || sscanf(argv[1], "%" SCNu32 ".%" SCNu32 "%c", &w.pid, &w.id, &rest) != 2 ||
	    (value = strchr(argv[2], '=')) == NULL || (size_t)(value - argv[2]) >= sizeof(name))
		return kcpctl_usage();
	snprintf(name, sizeof(name), "%.*s", (int)(value - argv[2]), argv[2]);
	value++;
	if (rules_option_parse(&opts, name, value, msg, sizeof(msg)) != 0) {
		warnx("%s", msg);
		return EXIT_USAGE;
	}
	status = engines_find(&engines);
	if (status != 0)
		errx(1, "/proc/net/unix: %s", strerror(status));
	engine = find(&engines, &w);
	if (engine == NULL) {
		warnx("%s: no such session (see kcpctl status)", argv[1]);
		status = 1;
	} else {
		status = set(engine, w.id, name, value, &version);
		status = report(argv[1], name, engine, status, version);
	}
	engines_free(&engines);
	return status;
}
