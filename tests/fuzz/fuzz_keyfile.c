/* fuzz_keyfile: the text of a key file. Texts with passphrases are only checked: to derive each takes too long here. */
#include <string.h>

#include "core/keyfile.h"
#include "core/keys.h"
#include "core/mem.h"
#include "fuzz.h"

static bool
has_passphrase(const char *text, size_t len)
{
	return memmem(text, len, "pbkdf2:", 7) != NULL;
}

static void
check_set(const struct session_keys *keys)
{
	const struct key *first = session_keys_first(keys);

	FUZZ_CHECK(session_keys_count(keys) >= 1 && first != NULL);
	FUZZ_CHECK(keyfile_name_valid(first->name, strlen(first->name)));
	FUZZ_CHECK(session_keys_find(keys, first->id) == first);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct mem *mem = mem_new(0);
	struct session_keys *keys = session_keys_new(mem);
	char err[64];
	int checked, loaded;

	FUZZ_CHECK(keys != NULL);
	memset(err, 'x', sizeof err);
	checked = session_keys_check("f", (const char *)data, len, err, sizeof err);
	FUZZ_CHECK(checked == 0 || memchr(err, '\0', sizeof err) != NULL);
	if (!has_passphrase((const char *)data, len)) {
		loaded = session_keys_load(keys, "f", (const char *)data, len, err, sizeof err);
		/* Only equal keys under two names are noticed by loading alone. */
		FUZZ_CHECK(checked == 0 || loaded == checked);
		if (loaded == 0)
			check_set(keys);
	}
	session_keys_free(keys);
	FUZZ_CHECK(mem_used(mem) == 0);
	mem_destroy(mem);
	return 0;
}
