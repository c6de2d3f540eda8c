/* replay: main() for a fuzz target without libFuzzer: runs every file named, and every file of every directory named. */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static unsigned inputs;

static void
replay_file(const char *path)
{
	FILE *f = fopen(path, "r");
	uint8_t *data = malloc(INPUT_MAX), *exact;
	size_t len;

	if (f == NULL || data == NULL)
		err(1, "%s", path);
	len = fread(data, 1, INPUT_MAX, f);
	fclose(f);
	/* A copy of the exact size, so that a sanitizer sees a read behind its end. */
	exact = malloc(len > 0 ? len : 1);
	if (exact == NULL)
		err(1, "malloc");
	memcpy(exact, data, len);
	free(data);
	LLVMFuzzerTestOneInput(exact, len);
	free(exact);
	inputs++;
}

static void
replay(const char *path)
{
	struct dirent *entry;
	struct stat st;
	DIR *dir;

	if (stat(path, &st) != 0)
		err(1, "%s", path);
	if (!S_ISDIR(st.st_mode)) {
		replay_file(path);
		return;
	}
	dir = opendir(path);
	if (dir == NULL)
		err(1, "%s", path);
	while ((entry = readdir(dir)) != NULL) {
		char name[4096];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
		replay_file(name);
	}
	closedir(dir);
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	printf("%s: %u inputs\n", argv[0], inputs);
	return inputs > 0 ? 0 : 1;
}
