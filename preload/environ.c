#include "environ.h"

#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "real.h"
#include "shim.h"

#define KEPT_BYTES 8192

static char kept_text[KEPT_BYTES];
static char *kept[ENVIRON_KEPT];
static int kept_count;

static bool
is_preload(const char *var)
{
	return strncmp(var, "LD_PRELOAD=", 11) == 0;
}

static bool
is_shim_variable(const char *var)
{
	return is_preload(var) || strncmp(var, "KCPSHIM_", 8) == 0;
}

void
environ_remember(void)
{
	size_t used = 0;

	for (char **e = environ; e != NULL && *e != NULL && kept_count < ENVIRON_KEPT; e++) {
		size_t len = strlen(*e) + 1;

		if (!is_shim_variable(*e) || len > sizeof(kept_text) - used)
			continue;
		kept[kept_count++] = memcpy(kept_text + used, *e, len);
		used += len;
	}
}

static const char *
find(char *const envp[], const char *var)
{
	size_t len = (size_t)(strchr(var, '=') - var) + 1;

	for (; envp != NULL && *envp != NULL; envp++) {
		if (strncmp(*envp, var, len) == 0)
			return *envp;
	}
	return NULL;
}

/* Some descriptor of ours would reach the next program. */
static bool
passes_ours(bool spawned)
{
	char buf[1024] __attribute__((aligned(8)));
	bool found = false;
	struct ident id;
	ssize_t n;
	int dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return false;
	while (!found && (n = getdents64(dir, buf, sizeof(buf))) > 0) {
		for (ssize_t at = 0; at < n && !found;) {
			const struct dirent64 *d = (const struct dirent64 *)(buf + at);
			int fd = atoi(d->d_name);

			at += d->d_reclen;
			if (d->d_name[0] < '0' || d->d_name[0] > '9' || !shim_ident(fd, &id))
				continue;
			found = spawned || !(real()->fcntl(fd, F_GETFD) & FD_CLOEXEC);
		}
	}
	real_dispose(dir);
	return found;
}

bool
environ_is_lacking(char *const envp[], bool spawned)
{
	int saved = errno;
	bool lacking;

	if (!shim_hint() || kept_count == 0)
		return false;
	lacking = false;
	for (int i = 0; i < kept_count && !lacking; i++)
		lacking = is_preload(kept[i]) && find(envp, kept[i]) == NULL;
	lacking = lacking && passes_ours(spawned);
	errno = saved;
	return lacking;
}

int
environ_room(char *const envp[])
{
	int n = 0;

	while (envp != NULL && envp[n] != NULL)
		n++;
	return n + kept_count + 1;
}

void
environ_restore(char *const envp[], char *out[])
{
	int n = 0;

	for (char *const *e = envp; e != NULL && *e != NULL; e++)
		out[n++] = *e;
	for (int i = 0; i < kept_count; i++) {
		if (find(envp, kept[i]) == NULL)
			out[n++] = kept[i];
	}
	out[n] = NULL;
}
