#include "library.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY "libkcpshim.so"

static bool
usable(const char *path, char out[PATH_MAX])
{
	return realpath(path, out) != NULL && access(out, R_OK) == 0;
}

/* libtool leaves the library in .libs, below the program or, for a program in .libs itself, beside it. */
static bool
in_build_tree(char out[PATH_MAX])
{
	static const char *const places[] = { ".libs/" LIBRARY, LIBRARY };
	char dir[PATH_MAX - 32], path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	char *slash;

	if (n <= 0)
		return false;
	dir[n] = '\0';
	slash = strrchr(dir, '/');
	if (slash == NULL)
		return false;
	*slash = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, places[i]);
		if (usable(path, out))
			return true;
	}
	return false;
}

int
library_find(char path[PATH_MAX], char *err, size_t errlen)
{
	const char *named = getenv("KCPSHIM_LIBRARY");

	if (named != NULL && *named != '\0') {
		if (usable(named, path))
			return 0;
		snprintf(err, errlen, "KCPSHIM_LIBRARY: %s: %s", named, strerror(errno));
		return -1;
	}
	if (in_build_tree(path) || usable(KCPSHIM_LIBDIR "/" LIBRARY, path))
		return 0;
	snprintf(err, errlen, "%s: %s", KCPSHIM_LIBDIR "/" LIBRARY, strerror(errno));
	return -1;
}

static bool
listed(const char *list, const char *path)
{
	size_t len = strlen(path);

	while (*list != '\0') {
		size_t n = strcspn(list, ": ");

		if (n == len && memcmp(list, path, len) == 0)
			return true;
		list += n;
		list += strspn(list, ": ");
	}
	return false;
}

int
library_preload(const char *path, char *err, size_t errlen)
{
	const char *old = getenv("LD_PRELOAD");
	char *list;
	int rc = 0;

	if (strpbrk(path, ": ") != NULL) {
		snprintf(err, errlen, "%s: LD_PRELOAD cannot hold a path with a blank or a colon", path);
		return -1;
	}
	if (old == NULL || *old == '\0')
		rc = setenv("LD_PRELOAD", path, 1);
	else if (!listed(old, path)) {
		rc = asprintf(&list, "%s:%s", path, old);
		if (rc >= 0) {
			rc = setenv("LD_PRELOAD", list, 1);
			free(list);
		}
	}
	if (rc < 0)
		snprintf(err, errlen, "out of memory");
	return rc < 0 ? -1 : 0;
}
