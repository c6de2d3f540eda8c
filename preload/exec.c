/* exec: the engine moves out before its process becomes another program. */
#include <alloca.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "environ.h"
#include "real.h"
#include "shim.h"

/* The environment to use in place of envp. A macro, since the array lives in the caller's frame. */
#define COMPLETE_ENVIRONMENT(envp, spawned) \
	do { \
		if (environ_is_lacking((envp), (spawned))) { \
			char **restored_ = alloca((size_t)environ_room(envp) * sizeof(char *)); \
			environ_restore((envp), restored_); \
			(envp) = restored_; \
		} \
	} while (0)

/* A call that must fail leaves the engine where it is. */
static bool
is_executable(const char *path)
{
	int saved = errno;
	bool ok = path != NULL && access(path, X_OK) == 0;

	errno = saved;
	return ok;
}

static int
exec_path(const char *path, char *const argv[], char *const envp[])
{
	if (is_executable(path))
		shim_leave();
	COMPLETE_ENVIRONMENT(envp, false);
	return real()->execve(path, argv, envp);
}

static int
exec_search(const char *file, char *const argv[], char *const envp[])
{
	if (file != NULL && (strchr(file, '/') == NULL || is_executable(file)))
		shim_leave();
	COMPLETE_ENVIRONMENT(envp, false);
	return real()->execvpe(file, argv, envp);
}

EXPORT int
execve(const char *path, char *const argv[], char *const envp[])
{
	return exec_path(path, argv, envp);
}

EXPORT int
execv(const char *path, char *const argv[])
{
	return exec_path(path, argv, environ);
}

EXPORT int
execvp(const char *file, char *const argv[])
{
	return exec_search(file, argv, environ);
}

EXPORT int
execvpe(const char *file, char *const argv[], char *const envp[])
{
	return exec_search(file, argv, envp);
}

EXPORT int
execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
	shim_leave();
	COMPLETE_ENVIRONMENT(envp, false);
	return real()->execveat(dir, path, argv, envp, flags);
}

EXPORT int
fexecve(int fd, char *const argv[], char *const envp[])
{
	shim_leave();
	COMPLETE_ENVIRONMENT(envp, false);
	return real()->fexecve(fd, argv, envp);
}

static size_t
count_arguments(va_list ap)
{
	size_t n = 1;

	while (va_arg(ap, const char *) != NULL)
		n++;
	return n;
}

/* The arguments of execl and its like as an array in the caller's frame. */
#define COLLECT_ARGUMENTS(argv, ap, first) \
	do { \
		size_t n_; \
		va_start(ap, first); \
		n_ = count_arguments(ap); \
		va_end(ap); \
		(argv) = alloca((n_ + 1) * sizeof(char *)); \
		(argv)[0] = (char *)(first); \
		va_start(ap, first); \
		for (size_t i_ = 1; i_ <= n_; i_++) \
			(argv)[i_] = va_arg(ap, char *); \
	} while (0)

EXPORT int
execl(const char *path, const char *arg, ...)
{
	char **argv;
	va_list ap;

	COLLECT_ARGUMENTS(argv, ap, arg);
	va_end(ap);
	return exec_path(path, argv, environ);
}

EXPORT int
execlp(const char *file, const char *arg, ...)
{
	char **argv;
	va_list ap;

	COLLECT_ARGUMENTS(argv, ap, arg);
	va_end(ap);
	return exec_search(file, argv, environ);
}

EXPORT int
execle(const char *path, const char *arg, ...)
{
	char **argv, *const *envp;
	va_list ap;

	COLLECT_ARGUMENTS(argv, ap, arg);
	envp = va_arg(ap, char *const *);
	va_end(ap);
	return exec_path(path, argv, envp);
}

EXPORT int
posix_spawn(pid_t *restrict pid, const char *restrict path, const posix_spawn_file_actions_t *restrict actions,
    const posix_spawnattr_t *restrict attr, char *const argv[restrict], char *const envp[restrict])
{
	char *const *complete = envp;

	COMPLETE_ENVIRONMENT(complete, true);
	return real()->posix_spawn(pid, path, actions, attr, argv, complete);
}

EXPORT int
posix_spawnp(pid_t *restrict pid, const char *restrict file, const posix_spawn_file_actions_t *restrict actions,
    const posix_spawnattr_t *restrict attr, char *const argv[restrict], char *const envp[restrict])
{
	char *const *complete = envp;

	COMPLETE_ENVIRONMENT(complete, true);
	return real()->posix_spawnp(pid, file, actions, attr, argv, complete);
}
