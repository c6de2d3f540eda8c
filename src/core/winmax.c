/* winmax: see winmax.h. */
#include "winmax.h"

static uint16_t
age(const struct winmax *m, int i, uint16_t round)
{
	return (uint16_t)(round - m->round[i]);
}

static void
set(struct winmax *m, uint64_t value, uint16_t round)
{
	for (int i = 0; i < 3; i++) {
		m->value[i] = value;
		m->round[i] = round;
	}
}

static void
shift(struct winmax *m, uint64_t value, uint16_t round)
{
	m->value[0] = m->value[1];
	m->round[0] = m->round[1];
	m->value[1] = m->value[2];
	m->round[1] = m->round[2];
	m->value[2] = value;
	m->round[2] = round;
}

void
winmax_update(struct winmax *m, uint64_t value, uint16_t round, uint16_t window)
{
	if (value >= m->value[0] || age(m, 2, round) > window) {
		set(m, value, round);
		return;
	}
	if (value >= m->value[1]) {
		m->value[1] = m->value[2] = value;
		m->round[1] = m->round[2] = round;
	} else if (value >= m->value[2]) {
		m->value[2] = value;
		m->round[2] = round;
	}
	if (age(m, 0, round) > window) {
		shift(m, value, round);
		if (age(m, 0, round) > window)
			shift(m, value, round);
	} else if (m->round[1] == m->round[0] && age(m, 1, round) > window / 4) {
		m->value[1] = m->value[2] = value;
		m->round[1] = m->round[2] = round;
	} else if (m->round[2] == m->round[1] && age(m, 2, round) > window / 2) {
		m->value[2] = value;
		m->round[2] = round;
	}
}
