/* linkem_spec: the emulator's words ("rate=50M", "ba.loss=2%", "profile=wifi") to link profiles. */
#ifndef LINKEM_SPEC_H
#define LINKEM_SPEC_H

#include <stdio.h>

#include "linkem_model.h"

enum { LINKEM_AB, LINKEM_BA, LINKEM_DIRECTIONS };

/* Applies one word to both directions, or to one when it begins with "ab." or "ba.".
 * 0, or -1 with a message for the user in `error` (unknown name, bad number or unit). */
int linkem_spec_apply(struct linkem_profile profiles[LINKEM_DIRECTIONS], const char *word, char *error,
	size_t error_size);

/* The names, their units and the built-in profiles, for --help. */
void linkem_spec_describe(FILE *);

#endif
