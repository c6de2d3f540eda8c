/* phase: the key phases of a sealed session: which key opens a datagram, and when the sender's is renewed
 * (kcpshim-wire(7), Key update). Packet numbers and the replay window stay with the caller.
 */
#ifndef KCPSHIM_PHASE_H
#define KCPSHIM_PHASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "seal.h"
#include "traffic.h"

#define PHASE_LIFETIME_US (UINT64_C(3600) * 1000000)  /* a sender renews its key after this time at the latest */

/* The sending direction. Everything but the secret can be made again: an idle session has no seal. */
struct phase_tx {
	struct seal *seal;           /* of the present phase; NULL: resting */
	uint8_t secret[TRAFFIC_SECRET_LEN]; /* of the present phase */
	uint8_t suite;               /* enum seal_suite */
	uint32_t phase;              /* bit 0 is the phase bit of what is sent now */
	uint64_t first_pn;           /* first packet number of this phase */
	uint64_t started_at;         /* us */
	bool confirmed;              /* the peer has opened a datagram of this phase */
};

/* The receiving direction. */
struct phase_rx {
	struct seal *previous;       /* for late datagrams; NULL: gone */
	struct seal *present, *next; /* NULL: resting, or no memory for it yet */
	uint8_t secret[TRAFFIC_SECRET_LEN]; /* of the present phase */
	uint8_t suite;
	uint32_t phase;
	uint64_t first_pn;           /* lowest packet number known to be of the present phase */
	uint64_t previous_until;     /* us */
};

/* Phase 0 from the keys of the handshake, which are copied; the caller wipes its own. `now` in us.
 * KCPSHIM_E_NOMEM: nothing to dispose of. */
int phase_tx_init(struct phase_tx *, struct mem *, const struct traffic_keys *, uint64_t now);
int phase_rx_init(struct phase_rx *, struct mem *, const struct traffic_keys *);
/* Frees and wipes. A zeroed struct is allowed. */
void phase_tx_dispose(struct phase_tx *, struct mem *);
void phase_rx_dispose(struct phase_rx *, struct mem *);

/* The peer has answered something that was sent in the present phase: the next renewal may come when it is due. */
void phase_tx_confirm(struct phase_tx *);
/* To be called before datagram `pn` is built: renews the key when TRAFFIC_RENEW_DATAGRAMS or PHASE_LIFETIME_US are reached and
 * the present phase is confirmed. True: it was renewed, so the phase bit changed. Without memory the old key goes on. */
bool phase_tx_renew(struct phase_tx *, struct mem *, uint64_t pn, uint64_t now);

/* The seal of the present phase, made again after a rest; NULL without memory. */
struct seal *phase_tx_seal(struct phase_tx *, struct mem *);

/* seal_open() with the key that the datagram's phase bit and number ask for. A datagram of the next phase that opens makes it the
 * present one; the key before is kept for `keep_us` more. KCPSHIM_E_AUTH, _SHORT, _NOMEM: nothing has changed but buf. */
int phase_rx_open(struct phase_rx *, struct mem *, unsigned bit, uint64_t pn, const uint8_t *aad, size_t aad_len,
    uint8_t *buf, size_t len, uint8_t **plain, uint64_t now, uint64_t keep_us);

/* The session is idle: the seals are freed, the one of the previous phase only when its time is over. */
void phase_tx_rest(struct phase_tx *, struct mem *);
void phase_rx_rest(struct phase_rx *, struct mem *, uint64_t now);

#endif
