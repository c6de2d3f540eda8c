#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

/* Each of the engine's threads has a descriptor of its own for it. */
static _Thread_local __attribute__((tls_model("initial-exec"))) struct {
	enum config_log level;
	int fd;
	const char *program;
} sink = { CONFIG_LOG_NONE, -1, "" };

void
log_init(enum config_log level, int fd, const char *program)
{
	sink.level = level;
	sink.fd = fd;
	sink.program = program;
}

void
log_end(void)
{
	if (sink.fd >= 0)
		close(sink.fd);
	sink.fd = -1;
}

void
log_write(enum config_log level, const char *fmt, ...)
{
	char line[512];
	int saved = errno, head, body;
	va_list ap;

	if (level > sink.level || sink.fd < 0)
		return;
	head = snprintf(line, sizeof(line), "kcpshim: %s[%d]: ", sink.program, (int)getpid());
	va_start(ap, fmt);
	body = vsnprintf(line + head, sizeof(line) - (size_t)head - 1, fmt, ap);
	va_end(ap);
	if (body > 0) {
		size_t len = (size_t)head + (size_t)body;

		if (len > sizeof(line) - 2)
			len = sizeof(line) - 2;
		line[len++] = '\n';
		if (write(sink.fd, line, len) < 0)
			sink.fd = -1; /* nowhere left to complain */
	}
	errno = saved;
}
