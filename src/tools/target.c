#include "target.h"

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "elfinfo.h"

#define SCRIPTS_MAX 5            /* as the kernel follows #! */
#define SHEBANG_MAX 256          /* BINPRM_BUF_SIZE of Linux */

static int __attribute__((format(printf, 4, 5)))
refuse(int status, char *err, size_t errlen, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, errlen, fmt, ap);
	va_end(ap);
	return status;
}

/* --- finding it --- */

/* 0, or the errno with which execve(2) would fail on this file. */
static int
executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	if (!S_ISREG(st.st_mode) || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) != 0)
		return EACCES;
	return 0;
}

static int
search(const char *command, char path[PATH_MAX])
{
	char usual[256];
	const char *list = getenv("PATH"), *end;
	int found = ENOENT, error;

	if (list == NULL) {
		confstr(_CS_PATH, usual, sizeof(usual));
		list = usual;
	}
	for (;; list = end + 1) {
		end = strchrnul(list, ':');
		if (snprintf(path, PATH_MAX, "%.*s%s%s", (int)(end - list), list, end > list ? "/" : "", command) < PATH_MAX) {
			error = executable(path);
			if (error == 0)
				return 0;
			if (error == EACCES)
				found = EACCES;
		}
		if (*end == '\0')
			return found;
	}
}

static int
resolve(const char *command, char path[PATH_MAX], char *err, size_t errlen)
{
	int error;

	if (strchr(command, '/') == NULL)
		error = *command == '\0' ? ENOENT : search(command, path);
	else if (strlcpy(path, command, PATH_MAX) >= PATH_MAX)
		error = ENAMETOOLONG;
	else
		error = executable(path);
	if (error == 0)
		return 0;
	return refuse(error == ENOENT || error == ENOTDIR ? TARGET_NOT_FOUND : TARGET_CANNOT_RUN, err, errlen, "%s: %s",
	    command, strerror(error));
}

/* --- judging it --- */

static bool
own_elf(struct elfinfo *own)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	bool ok = fd >= 0 && elfinfo_read(fd, own);

	if (fd >= 0)
		close(fd);
	return ok;
}

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* Why the loader would not let the library in; NULL: it will. */
static const char *
obstacle(int fd, const struct elfinfo *elf)
{
	struct elfinfo own;
	struct stat st;

	if (!own_elf(&own) || fstat(fd, &st) != 0)
		return NULL;
	if (elf->class != own.class || elf->data != own.data || elf->machine != own.machine)
		return "is for another architecture, libkcpshim.so cannot be loaded into it";
	if (elf->interp[0] == '\0')
		return "is statically linked, libkcpshim.so cannot be loaded into it";
	if (own.interp[0] != '\0' && strcmp(base_name(elf->interp), base_name(own.interp)) != 0)
		return "uses another C library, libkcpshim.so cannot be loaded into it";
	if ((st.st_mode & S_ISUID) != 0)
		return "is setuid, its loader ignores LD_PRELOAD";
	/* Without group execution the bit never meant setgid. */
	if ((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		return "is setgid, its loader ignores LD_PRELOAD";
	if (fgetxattr(fd, "security.capability", NULL, 0) > 0)
		return "has file capabilities, its loader ignores LD_PRELOAD";
	return NULL;
}

/* The words of a #! line: *interp, and *arg (the rest of the line, as the kernel passes it) or NULL. */
static bool
split_shebang(char *line, char **interp, char **arg)
{
	char *end;

	line[strcspn(line, "\n")] = '\0';
	*interp = line + 2 + strspn(line + 2, " \t");
	end = *interp + strcspn(*interp, " \t");
	*arg = NULL;
	if (*end != '\0') {
		*end++ = '\0';
		end += strspn(end, " \t");
		*arg = *end != '\0' ? end : NULL;
	}
	return **interp != '\0';
}

/* "#!/usr/bin/env NAME": what runs in the end is NAME. */
static const char *
behind_env(const char *interp, char *arg)
{
	if (arg == NULL || strcmp(base_name(interp), "env") != 0)
		return NULL;
	arg[strcspn(arg, " \t")] = '\0';
	return *arg == '-' || strchr(arg, '=') != NULL ? NULL : arg;
}

static int check_command(const char *command, int depth, char *err, size_t errlen);

static int
check_script(const char *path, char *line, int depth, char *err, size_t errlen)
{
	char why[512], *interp, *arg;
	const char *next;
	int status;

	if (depth == SCRIPTS_MAX || !split_shebang(line, &interp, &arg))
		return 0;
	status = check_command(interp, depth + 1, why, sizeof(why));
	next = behind_env(interp, arg);
	if (status == 0 && next != NULL)
		status = check_command(next, depth + 1, why, sizeof(why));
	if (status != 0)
		return refuse(status, err, errlen, "%s: its interpreter %s", path, why);
	return 0;
}

static int
check_command(const char *command, int depth, char *err, size_t errlen)
{
	char path[PATH_MAX], head[SHEBANG_MAX];
	const char *why = NULL;
	struct elfinfo elf;
	ssize_t n;
	int fd, status = resolve(command, path, err, errlen);

	if (status != 0)
		return status;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = pread(fd, head, sizeof(head) - 1, 0);
	head[n > 0 ? n : 0] = '\0';
	if (strncmp(head, "#!", 2) == 0)
		status = check_script(path, head, depth, err, errlen);
	else if (elfinfo_read(fd, &elf))
		why = obstacle(fd, &elf);
	close(fd);
	return why == NULL ? status : refuse(TARGET_CANNOT_RUN, err, errlen, "%s: %s", path, why);
}

int
target_check(const char *command, char *err, size_t errlen)
{
	return check_command(command, 0, err, errlen);
}
