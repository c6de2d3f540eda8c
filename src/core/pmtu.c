#include "pmtu.h"

#include <string.h>

#include "seq.h"

static void
ask(struct pmtu *p, uint16_t size, uint64_t now)
{
	p->probe = size;
	p->tries = p->answers = 0;
	p->waiting = false;
	p->at = now;
}

static void
rest(struct pmtu *p)
{
	p->state = PMTU_COMPLETE;
	p->probe = 0;
	p->waiting = false;
	p->at = PMTU_NEVER;
}

/* What is tried next: likely sizes first, then by halves; 0: there is nothing to gain. */
static uint16_t
candidate(const struct pmtu *p)
{
	unsigned bad = p->bad;

	if (p->size >= p->max || p->size == p->hint)
		return 0;
	if (p->hint > p->size && p->hint < p->bad)
		return p->hint;
	if (p->size < PMTU_ETHERNET && p->bad > PMTU_ETHERNET && p->max > PMTU_ETHERNET + 48u)
		return PMTU_ETHERNET;
	if (p->bad > p->max)
		return p->max;
	if (p->size >= p->usual)
		bad = p->size;
	else if (bad > p->usual)
		return p->usual;
	return bad - p->size > PMTU_STEP ? (uint16_t)((p->size + bad) / 2u) : 0;
}

static void
search(struct pmtu *p, uint64_t now)
{
	uint16_t next = candidate(p);

	p->raise_at = 0;
	p->state = PMTU_SEARCHING;
	if (next != 0) {
		ask(p, next, now);
		return;
	}
	p->raise_at = (uint32_t)((now + PMTU_RAISE_US) / 1000) | 1;
	rest(p);
}

static void
forget(struct pmtu *p)
{
	p->bad = (uint16_t)(p->max + 1u);
	p->hint = 0;
}

void
pmtu_init(struct pmtu *p, uint16_t size, uint16_t max, uint8_t needed)
{
	memset(p, 0, sizeof(*p));
	p->max = p->usual = max;
	p->size = size < max ? size : max;
	p->needed = needed;
	p->state = PMTU_BASE;
	p->at = PMTU_NEVER;
	forget(p);
}

void
pmtu_expect(struct pmtu *p, uint16_t usual)
{
	p->usual = usual < p->max ? usual : p->max;
}

void
pmtu_used(struct pmtu *p, uint64_t now)
{
	switch (p->state) {
	case PMTU_BASE:
		search(p, now);
		break;
	case PMTU_SEARCHING:
		/* It stood still while the path did. */
		if (p->at == PMTU_NEVER)
			p->at = now;
		break;
	case PMTU_COMPLETE:
		if (p->size < p->max && !seq_before((uint32_t)(now / 1000), p->raise_at)) {
			forget(p);
			search(p, now);
		}
		break;
	default:
		break;
	}
}

void
pmtu_suspect(struct pmtu *p, uint64_t now)
{
	if (p->state == PMTU_VERIFYING || p->size <= PMTU_MIN_SIZE)
		return;
	if (p->calm_at != 0 && ((uint32_t)now | 1) - p->calm_at < PMTU_CALM_US)
		return;
	p->state = PMTU_VERIFYING;
	p->strikes = 0;
	ask(p, p->size, now);
}

uint16_t
pmtu_due(const struct pmtu *p, uint64_t now)
{
	return !p->waiting && p->at <= now ? p->probe : 0;
}

void
pmtu_sent(struct pmtu *p, uint64_t timeout, uint64_t now)
{
	p->waiting = true;
	p->at = now + timeout;
}

/* To what most likely passes; the search goes up from there. */
static void
fall(struct pmtu *p, uint64_t now)
{
	p->bad = p->size;
	if (p->hint >= PMTU_BASE_SIZE && p->hint < p->size)
		p->size = p->hint;
	else
		p->size = p->size > PMTU_BASE_SIZE ? PMTU_BASE_SIZE : PMTU_MIN_SIZE;
	search(p, now);
}

/* The size in force passes: what was going on before goes on. */
static void
refute(struct pmtu *p, uint64_t now)
{
	p->calm_at = (uint32_t)now | 1;
	if (p->hint <= p->size)
		p->hint = 0;
	if (p->raise_at != 0)
		rest(p);
	else
		search(p, now);
}

/* Something passes, but not the size in force. */
static bool
strike(struct pmtu *p, uint64_t now)
{
	unsigned limit = p->hint != 0 ? 1 : PMTU_STRIKES;

	if (++p->strikes >= limit) {
		fall(p, now);
		return true;
	}
	ask(p, p->size, now);
	return false;
}

bool
pmtu_answered(struct pmtu *p, uint16_t size, uint64_t now)
{
	if (p->state == PMTU_VERIFYING) {
		if (size == p->size)
			refute(p, now);
		else if (size == p->probe)
			return strike(p, now);
		return false;
	}
	if (size <= p->size || size > p->max)
		return false;
	if (size == p->probe && ++p->answers < p->needed) {
		p->waiting = false;
		p->at = now;
		return false;
	}
	/* One that had been given up came late. */
	if (size >= p->bad)
		forget(p);
	p->size = size;
	search(p, now);
	return true;
}

void
pmtu_expired(struct pmtu *p, bool alive, uint64_t now)
{
	if (!p->waiting || p->at > now)
		return;
	p->waiting = false;
	p->at = now;
	if (p->state == PMTU_VERIFYING) {
		if (p->probe == p->size)
			ask(p, PMTU_SMALL, now);
		else
			p->at = now + (PMTU_PAUSE_US << (p->tries < 4 ? p->tries++ : 4));
		return;
	}
	if (!alive) {
		p->at = PMTU_NEVER;
		return;
	}
	if (++p->tries < PMTU_TRIES)
		return;
	p->bad = p->probe;
	if (p->hint >= p->bad)
		p->hint = 0;
	search(p, now);
}

bool
pmtu_refused(struct pmtu *p, uint16_t size, uint16_t fits, uint64_t now)
{
	uint16_t before = p->size;

	if (fits != 0 && fits < PMTU_MIN_SIZE)
		fits = PMTU_MIN_SIZE;
	if (fits >= size)
		fits = 0;
	if (size > before) {
		if (size < p->bad)
			p->bad = size;
		if (fits > before && fits < p->bad) {
			p->bad = (uint16_t)(fits + 1u);
			p->hint = fits;
		}
		if (p->state == PMTU_SEARCHING)
			search(p, now);
		return false;
	}
	if (before <= PMTU_MIN_SIZE || size < PMTU_MIN_SIZE)
		return false;
	fall(p, now);
	if (fits != 0) {
		p->size = fits;
		p->bad = (uint16_t)(fits + 1u);
		search(p, now);
	}
	return true;
}

void
pmtu_hint(struct pmtu *p, uint16_t fits, uint64_t now)
{
	if (fits < PMTU_MIN_SIZE || fits > p->max)
		return;
	if (fits > p->size) {
		if (p->state != PMTU_SEARCHING || fits >= p->probe || fits >= p->bad)
			return;
		p->hint = fits;
		ask(p, fits, now);
	} else if (fits < p->size && p->state != PMTU_VERIFYING) {
		pmtu_suspect(p, now);
		if (p->state == PMTU_VERIFYING)
			p->hint = fits;
	}
}
