#include "admission.h"

#include <string.h>

#include "error.h"
#include "random.h"

void
admission_init(struct admission *a, struct mem *mem, struct random *random)
{
	memset(a, 0, sizeof(*a));
	a->mem = mem;
	a->random = random;
}

void
admission_dispose(struct admission *a)
{
	flights_free(a->flights);
	a->flights = NULL;
	cookie_jar_wipe(&a->jar);
}

int
admission_remember(struct admission *a, uint64_t wall)
{
	if (a->flights == NULL)
		a->flights = flights_new(a->mem, FLIGHTS_DEFAULT, wall);
	return a->flights != NULL ? 0 : KCPSHIM_E_NOMEM;
}

static void
tend_jar(struct admission *a, uint64_t now)
{
	uint8_t secret[COOKIE_SECRET_LEN];

	if (a->has_jar && !cookie_jar_due(&a->jar, now))
		return;
	random_bytes(a->random, secret, sizeof(secret));
	if (a->has_jar)
		cookie_jar_rotate(&a->jar, secret, now);
	else
		cookie_jar_init(&a->jar, secret, now);
	a->has_jar = true;
	explicit_bzero(secret, sizeof(secret));
}

bool
admission_proven(const struct admission *a, const struct path *path, const uint8_t token[32], const uint8_t cookie[COOKIE_LEN])
{
	return a->has_jar && cookie_valid(&a->jar, &path->remote, token, cookie);
}

enum admission_verdict
admission_check(struct admission *a, const struct path *path, const uint8_t token[32], const uint8_t cookie[COOKIE_LEN],
    const uint64_t *time, const struct admission_load *load, uint64_t now, uint64_t wall)
{
	bool cookie_ok;

	tend_jar(a, now);
	cookie_ok = cookie_valid(&a->jar, &path->remote, token, cookie);
	if (time != NULL) {
		switch (flights_check(a->flights, token, *time, cookie_ok, wall)) {
		case FLIGHTS_SEEN:
			return ADMISSION_DROP;
		case FLIGHTS_STALE:
			return ADMISSION_RETRY;
		case FLIGHTS_FRESH:
			break;
		}
	}
	if (!cookie_ok && (load->full || load->half_open >= ADMISSION_HALF_OPEN || !budget_take(load->budget, load->rate, now)))
		return ADMISSION_RETRY;
	if (load->full)
		return ADMISSION_FULL;
	if (time != NULL)
		flights_add(a->flights, token, *time, wall);
	return ADMISSION_OPEN;
}

void
admission_cookie(const struct admission *a, const struct netaddr *remote, const uint8_t token[32], uint8_t out[COOKIE_LEN])
{
	cookie_make(&a->jar, remote, token, out);
}
