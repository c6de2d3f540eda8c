#include "simprofile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "linkem_spec.h"

static void
parse(const char *text, struct linkem_profile profiles[LINKEM_DIRECTIONS])
{
	char words[256], error[128], *save = NULL;

	memset(profiles, 0, LINKEM_DIRECTIONS * sizeof(profiles[0]));
	snprintf(words, sizeof(words), "%s%s", strchr(text, '=') == NULL ? "profile=" : "", text);
	for (char *word = strtok_r(words, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
		if (linkem_spec_apply(profiles, word, error, sizeof(error)) == 0)
			continue;
		fprintf(stderr, "%s\n", error);
		abort();
	}
}

static void
offer(struct simlink *l, const uint8_t *data, size_t len, uint64_t now)
{
	struct linkem_verdict v;

	linkem_direction_offer(l->model, now * 1000, len + SIMLINK_OVERHEAD, &v);
	l->queue_drops += v.fate == LINKEM_QUEUE_FULL;
	l->random_drops += v.fate == LINKEM_LOST;
	if (v.fate != LINKEM_QUEUE_FULL)
		l->carried_bytes += len + SIMLINK_OVERHEAD;
	for (unsigned i = 0; i < v.copies; i++)
		simlink_deliver(l, data, len, (v.due_ns[i] + 999) / 1000);
}

void
simprofile_init(struct simlink *l, bool from_a, uint64_t seed)
{
	struct linkem_profile profiles[LINKEM_DIRECTIONS];

	parse(l->cfg.profile, profiles);
	l->model = calloc(1, sizeof(*l->model));
	if (l->model == NULL)
		abort();
	linkem_direction_init(l->model, &profiles[from_a ? LINKEM_AB : LINKEM_BA], seed, 0);
	l->offer = offer;
}

void
simprofile_limits(const char *profile, double *rate, double *loss, uint64_t *rtt)
{
	struct linkem_profile profiles[LINKEM_DIRECTIONS];

	parse(profile, profiles);
	*rate = (double)profiles[LINKEM_AB].rate;
	*loss = profiles[LINKEM_AB].loss;
	*rtt = (profiles[LINKEM_AB].delay_ns + profiles[LINKEM_BA].delay_ns) / 1000;
}
