#include "ecn.h"

#include "seq.h"

void
ecn_received(struct ecn *e, enum ecn_mark mark)
{
	e->ect0 += mark == ECN_ECT0;
	e->ect1 += mark == ECN_ECT1;
	e->ce += mark == ECN_CE;
}

bool
ecn_echo(const struct ecn *e, uint32_t total, struct ecn_counts *counts)
{
	uint32_t marks = e->ect0 + e->ect1 + e->ce;

	if (marks == 0 || total == e->told || (marks > ECN_ECHO_FIRST && e->ce == e->told_ce && total - e->told < ECN_ECHO_LUMP))
		return false;
	*counts = (struct ecn_counts){ .other = total - marks, .ect0 = e->ect0, .ect1 = e->ect1, .ce = e->ce };
	return true;
}

void
ecn_echoed(struct ecn *e, const struct ecn_counts *c)
{
	e->told = c->other + c->ect0 + c->ect1 + c->ce;
	e->told_ce = c->ce;
}

void
ecn_used(struct ecn *e)
{
	if (e->state == ECN_IDLE)
		e->state = ECN_TESTING;
}

bool
ecn_probe_due(struct ecn *e, uint64_t arrived, uint64_t now)
{
	if (e->state != ECN_TESTING || (e->waiting && (now < e->answer_by || arrived <= e->probe_at)))
		return false;
	if (!e->waiting || ++e->probes < ECN_PROBES)
		return true;
	e->state = ECN_FAILED;
	return false;
}

void
ecn_probe_sent(struct ecn *e, uint64_t wait, uint64_t now)
{
	e->marked++;
	e->waiting = true;
	e->probe_at = now;
	e->answer_by = now + wait;
}

enum ecn_mark
ecn_mark(struct ecn *e)
{
	if (e->state != ECN_CAPABLE)
		return ECN_NOT_ECT;
	e->marked++;
	return ECN_ECT0;
}

/* More came without a mark than were sent so. */
static bool
cleared(const struct ecn *e, const struct ecn_counts *c, uint32_t sent)
{
	return seq_after(c->other - e->base_other, sent - e->marked - e->base_unmarked);
}

/* The effect of a probe. One that came with CE may have met a queue; when all do, something marks whatever it sees. */
static void
take_probe(struct ecn *e, const struct ecn_counts *c, uint32_t sent, uint64_t now)
{
	if (c->ect0 != e->seen.ect0) {
		e->state = ECN_CAPABLE;
		e->only_ce = false;
		/* That was the path before. */
		if (cleared(e, c, sent)) {
			e->base_other = c->other;
			e->base_unmarked = sent - e->marked - ECN_LATE;
		}
	} else if (c->ce != e->seen.ce) {
		e->answer_by = now;
	}
}

/* A real queue gets shorter when the flow slows down, and then marks no longer every datagram. */
static bool
marks_all(struct ecn *e, const struct ecn_counts *c, uint64_t rtt, uint64_t now)
{
	if (c->ect0 != e->seen.ect0) {
		e->only_ce = false;
	} else if (c->ce != e->seen.ce && !e->only_ce) {
		e->only_ce = true;
		e->run_ce = e->seen.ce;
		e->run_at = now;
	}
	return e->only_ce && c->ce - e->run_ce >= ECN_CE_RUN && now - e->run_at >= ECN_CE_ROUNDS * rtt;
}

static bool
consistent(const struct ecn *e, const struct ecn_counts *c, uint32_t sent)
{
	return (e->state != ECN_CAPABLE || !cleared(e, c, sent)) && c->ect1 == e->seen.ect1 && !seq_after(c->ect0 + c->ce, e->marked);
}

uint32_t
ecn_report(struct ecn *e, const struct ecn_counts *c, uint32_t sent, uint64_t rtt, uint64_t now)
{
	uint32_t total = c->other + c->ect0 + c->ect1 + c->ce, known = e->seen.other + e->seen.ect0 + e->seen.ect1 + e->seen.ce;
	uint32_t more = c->ce - e->seen.ce;
	uint8_t was = e->state;

	if (!seq_after(total, known) || seq_before(c->ce, e->seen.ce))
		return 0;
	if (e->state == ECN_TESTING && e->waiting)
		take_probe(e, c, sent, now);
	if ((e->state == ECN_TESTING || e->state == ECN_CAPABLE) && (!consistent(e, c, sent) || marks_all(e, c, rtt, now)))
		e->state = ECN_FAILED;
	e->seen = *c;
	return was == ECN_CAPABLE ? more : 0;
}

void
ecn_restart(struct ecn *e)
{
	if (e->state == ECN_IDLE)
		return;
	e->state = ECN_TESTING;
	e->waiting = e->only_ce = false;
	e->probes = e->retests = 0;
}

void
ecn_suspect(struct ecn *e)
{
	uint8_t retests = e->retests + 1;

	if (e->state != ECN_CAPABLE)
		return;
	ecn_restart(e);
	e->retests = retests;
	if (retests > ECN_RETESTS)
		e->state = ECN_FAILED;
}
