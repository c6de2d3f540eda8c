/* fuzz: what every fuzz target declares; each is one file with this function, see scripts/fuzz. */
#ifndef KCPSHIM_TESTS_FUZZ_H
#define KCPSHIM_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* An invariant; unlike assert() it stays in every build. */
#define FUZZ_CHECK(what) do { \
	if (!(what)) { \
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
		abort(); \
	} \
} while (0)

#endif
