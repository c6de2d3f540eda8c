/* admission: whether a first flight that verified may open a session now: not a replay, not too many, not from a forged address. */
#ifndef KCPSHIM_ADMISSION_H
#define KCPSHIM_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "budget.h"
#include "cookie.h"
#include "flights.h"
#include "netaddr.h"

struct mem;
struct random;

#define ADMISSION_RATE 500u       /* struct admission_load.rate, unless set otherwise */
#define ADMISSION_HALF_OPEN 128u  /* unproven sessions of a listener beyond which a cookie is asked for */

struct admission {
	struct mem *mem;
	struct random *random;
	struct cookie_jar jar;
	bool has_jar;
	struct flights *flights;  /* NULL until a listener needs it */
};

/* The state of a listener as far as it matters here. */
struct admission_load {
	uint32_t half_open;       /* unproven sessions */
	bool full;                /* no place for another one */
	uint32_t rate;            /* flights a second without a cookie */
	struct budget *budget;
};

enum admission_verdict {
	ADMISSION_OPEN,   /* and it is remembered */
	ADMISSION_FULL,   /* it has proven everything, but there is no place; the same flight may come again */
	ADMISSION_RETRY,  /* its address or its novelty has to be proven first */
	ADMISSION_DROP,   /* seen before */
};

/* `mem` and `random` are borrowed. */
void admission_init(struct admission *, struct mem *, struct random *);
void admission_dispose(struct admission *);
/* Makes room to remember flights; `wall`: ns since 1970, before which this endpoint was not. 0 or KCPSHIM_E_NOMEM. */
int admission_remember(struct admission *, uint64_t wall);
/* The flight carries a cookie for its address; see below. */
bool admission_proven(const struct admission *, const struct path *, const uint8_t token[32], const uint8_t cookie[COOKIE_LEN]);
/* `token`: the 32 bytes that name the flight. `cookie`: as it carried. `time`: its time, ns since 1970; NULL: an unsealed one,
 * which proves nothing and is not remembered. */
enum admission_verdict admission_check(struct admission *, const struct path *, const uint8_t token[32],
    const uint8_t cookie[COOKIE_LEN], const uint64_t *time, const struct admission_load *, uint64_t now, uint64_t wall);
/* The cookie to send, after ADMISSION_RETRY. */
void admission_cookie(const struct admission *, const struct netaddr *remote, const uint8_t token[32], uint8_t out[COOKIE_LEN]);

#endif
