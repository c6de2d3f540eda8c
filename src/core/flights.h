/* flights: which first flights a server has seen, so that a recorded INIT opens nothing twice (kcpshim-wire(7), REPLAYS). */
#ifndef KCPSHIM_FLIGHTS_H
#define KCPSHIM_FLIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mem;
struct flights;

#define FLIGHTS_TOLERANCE_NS (UINT64_C(120) * 1000000000)  /* how far a client's clock may be off without a cookie */
#define FLIGHTS_KEEP_NS (2 * FLIGHTS_TOLERANCE_NS)         /* an INIT is remembered this long */
#define FLIGHTS_DEFAULT 4096u

enum flights_verdict {
	FLIGHTS_FRESH,   /* not seen, and new by its time or its cookie */
	FLIGHTS_SEEN,    /* seen: a retransmission or a replay; find the session it opened, or drop it */
	FLIGHTS_STALE,   /* its time proves nothing: answer with RETRY, open nothing */
};

/* Room for `capacity` (1..65535) INITs, about 40 bytes each. `now`: server's clock, ns since 1970: an INIT made before it is
 * never fresh by its time alone, since this set cannot know whether it was seen. NULL without memory. */
struct flights *flights_new(struct mem *, size_t capacity, uint64_t now);
void flights_free(struct flights *);

/* Judges an INIT whose seal was opened. `ephemeral`: the client's key, which names the INIT. `time`: its parameter, ns since
 * 1970. `cookie_ok`: it carried a valid cookie. Remembers nothing. */
enum flights_verdict flights_check(const struct flights *, const uint8_t ephemeral[32], uint64_t time, bool cookie_ok, uint64_t now);
/* Remembers an INIT that flights_check() called fresh. When full, the oldest entry goes, and INITs not made after it need a
 * cookie from then on. */
void flights_add(struct flights *, const uint8_t ephemeral[32], uint64_t time, uint64_t now);

#endif
