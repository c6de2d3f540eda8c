/* pmtu: the largest datagram that one path carries, found by datagrams that may be lost (DPLPMTUD, RFC 8899).
 *
 * Sizes are bytes of UDP payload. The module decides; its caller sends what is due, tells what was answered, and calls again when
 * pmtu.at has come. It believes in no size that was not answered, and in no message from the network: those say only what to try.
 */
#ifndef KCPSHIM_PMTU_H
#define KCPSHIM_PMTU_H

#include <stdbool.h>
#include <stdint.h>

#define PMTU_NEVER UINT64_MAX
#define PMTU_BASE_SIZE 1200u              /* BASE_PLPMTU, RFC 8899 5.1.2: passes nearly everywhere */
#define PMTU_MIN_SIZE 548u                /* MIN_PLPMTU: 576 bytes pass everywhere (RFC 791) */
#define PMTU_SMALL 64u                    /* asks whether anything passes at all */
#define PMTU_ETHERNET 1452u               /* 1500 bytes less the headers of IPv6 and UDP: passes on most paths */
#define PMTU_STEP 16u                     /* the search ends when less than that could be gained */
#define PMTU_TRIES 5u                     /* MAX_PROBES, of one size; RFC 8899 has 3, which 5% of loss would imitate now and then */
#define PMTU_STRIKES 3u                   /* full ones lost while small ones passed: a black hole */
#define PMTU_RAISE_US UINT64_C(600000000) /* PMTU_RAISE_TIMER */
#define PMTU_CALM_US 2000000u             /* a suspicion that was refuted does not come back before */
#define PMTU_PAUSE_US UINT64_C(500000)    /* when nothing passes at all; doubles up to 16 times that */

enum pmtu_state {
	PMTU_BASE,          /* nothing is asked before full datagrams are sent */
	PMTU_SEARCHING,     /* larger sizes are tried */
	PMTU_COMPLETE,      /* until the raise timer allows another search */
	PMTU_VERIFYING,     /* full datagrams do not seem to arrive: is it their size? */
};

struct pmtu {
	uint64_t at;        /* the next probe, or the end of waiting for an answer; PMTU_NEVER: waits for the caller */
	uint32_t raise_at;  /* ms, low 32 bits: when another search may start; 0: the present one is not over */
	uint32_t calm_at;   /* us, low 32 bits: when the last suspicion was refuted */
	uint16_t size;      /* in force */
	uint16_t max;       /* upper bound of the search */
	uint16_t usual;     /* larger ones are rare: `max` alone is tried, and nothing between. <= max */
	uint16_t bad;       /* least size that seems not to pass; max + 1: none. > size */
	uint16_t hint;      /* what the network said would pass; 0: nothing */
	uint16_t probe;     /* size that is asked about; 0: none */
	uint8_t state;      /* enum pmtu_state */
	uint8_t tries;      /* of this probe, without an answer */
	uint8_t strikes;
	uint8_t needed;     /* answers that prove a size; more than one where they cannot be told from others */
	uint8_t answers;    /* so far */
	bool waiting;       /* the probe is under way */
};

/* `size` is in force from now on, at most `max` (<= 65507). No search takes place where they are equal.
 * `needed`: how many answers prove that a size passes, 1 where an answer names its probe. */
void pmtu_init(struct pmtu *, uint16_t size, uint16_t max, uint8_t needed);
/* Of the sizes above `usual` only the upper bound is worth a try. Before the first probe. */
void pmtu_expect(struct pmtu *, uint16_t usual);
/* A datagram of about the size in force was sent: now it pays to know more. */
void pmtu_used(struct pmtu *, uint64_t now);
/* Full datagrams were lost again and again. */
void pmtu_suspect(struct pmtu *, uint64_t now);
/* The size of the probe to be sent now, 0: none. */
uint16_t pmtu_due(const struct pmtu *, uint64_t now);
/* It was sent; without an answer for `timeout` us there will be none. */
void pmtu_sent(struct pmtu *, uint64_t timeout, uint64_t now);
/* A probe of `size` bytes arrived, however long ago it was sent. True: the size in force changed. */
bool pmtu_answered(struct pmtu *, uint16_t size, uint64_t now);
/* At pmtu.at: what was waited for did not come. `alive`: but something that was sent later did arrive. */
void pmtu_expired(struct pmtu *, bool alive, uint64_t now);
/* The own host refuses datagrams of `size` bytes; it would send `fits`, 0: unknown. True: the size in force changed. */
bool pmtu_refused(struct pmtu *, uint16_t size, uint16_t fits, uint64_t now);
/* Someone on the way says that `fits` bytes would pass: only an occasion to look (RFC 8899 4.6). */
void pmtu_hint(struct pmtu *, uint16_t fits, uint64_t now);

#endif
