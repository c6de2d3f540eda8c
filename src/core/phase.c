#include "phase.h"

#include <string.h>

#include "error.h"

/* The seal of the phase that begins with `secret`, or of the one after it. */
static struct seal *
make_seal(struct mem *mem, uint8_t suite, const uint8_t secret[TRAFFIC_SECRET_LEN], bool next)
{
	struct traffic_keys keys;
	struct seal *seal;

	traffic_derive(&keys, (enum seal_suite)suite, secret);
	if (next)
		traffic_renew(&keys);
	seal = seal_new(mem, (enum seal_suite)suite, keys.key, keys.iv);
	traffic_wipe(&keys, sizeof keys);
	return seal;
}

static void
renew_secret(uint8_t secret[TRAFFIC_SECRET_LEN], uint8_t suite)
{
	struct traffic_keys keys;

	traffic_derive(&keys, (enum seal_suite)suite, secret);
	traffic_renew(&keys);
	memcpy(secret, keys.secret, TRAFFIC_SECRET_LEN);
	traffic_wipe(&keys, sizeof keys);
}

int
phase_tx_init(struct phase_tx *tx, struct mem *mem, const struct traffic_keys *keys, uint64_t now)
{
	memset(tx, 0, sizeof *tx);
	tx->seal = seal_new(mem, (enum seal_suite)keys->suite, keys->key, keys->iv);
	if (tx->seal == NULL)
		return KCPSHIM_E_NOMEM;
	memcpy(tx->secret, keys->secret, sizeof tx->secret);
	tx->suite = keys->suite;
	tx->started_at = now;
	return 0;
}

void
phase_tx_dispose(struct phase_tx *tx, struct mem *mem)
{
	seal_free(mem, tx->seal);
	traffic_wipe(tx, sizeof *tx);
}

struct seal *
phase_tx_seal(struct phase_tx *tx, struct mem *mem)
{
	if (tx->seal == NULL)
		tx->seal = make_seal(mem, tx->suite, tx->secret, false);
	return tx->seal;
}

void
phase_tx_confirm(struct phase_tx *tx)
{
	tx->confirmed = true;
}

bool
phase_tx_renew(struct phase_tx *tx, struct mem *mem, uint64_t pn, uint64_t now)
{
	struct seal *seal;

	if (!tx->confirmed || (pn - tx->first_pn < TRAFFIC_RENEW_DATAGRAMS && now - tx->started_at < PHASE_LIFETIME_US))
		return false;
	seal = make_seal(mem, tx->suite, tx->secret, true);
	if (seal == NULL)
		return false;
	renew_secret(tx->secret, tx->suite);
	seal_free(mem, tx->seal);
	tx->seal = seal;
	tx->phase++;
	tx->first_pn = pn;
	tx->started_at = now;
	tx->confirmed = false;
	return true;
}

int
phase_rx_init(struct phase_rx *rx, struct mem *mem, const struct traffic_keys *keys)
{
	memset(rx, 0, sizeof *rx);
	rx->present = seal_new(mem, (enum seal_suite)keys->suite, keys->key, keys->iv);
	memcpy(rx->secret, keys->secret, sizeof rx->secret);
	rx->suite = keys->suite;
	rx->next = make_seal(mem, rx->suite, rx->secret, true);
	if (rx->present != NULL && rx->next != NULL)
		return 0;
	phase_rx_dispose(rx, mem);
	return KCPSHIM_E_NOMEM;
}

void
phase_rx_dispose(struct phase_rx *rx, struct mem *mem)
{
	seal_free(mem, rx->previous);
	seal_free(mem, rx->present);
	seal_free(mem, rx->next);
	traffic_wipe(rx, sizeof *rx);
}

static void
drop_previous(struct phase_rx *rx, struct mem *mem, uint64_t now)
{
	if (rx->previous == NULL || now < rx->previous_until)
		return;
	seal_free(mem, rx->previous);
	rx->previous = NULL;
}

/* A datagram of the next phase has opened. The key after it is made now, not when the first datagram with the other bit comes:
 * a forged one has to cost no more than any other. */
static void
advance(struct phase_rx *rx, struct mem *mem, uint64_t pn, uint64_t previous_until)
{
	seal_free(mem, rx->previous);
	rx->previous = rx->present;
	rx->present = rx->next;
	rx->phase++;
	rx->first_pn = pn;
	rx->previous_until = previous_until;
	renew_secret(rx->secret, rx->suite);
	rx->next = make_seal(mem, rx->suite, rx->secret, true);
}

/* The seal in *seal, made again after a rest, opens the datagram. */
static int
open_with(struct phase_rx *rx, struct seal **seal, struct mem *mem, uint64_t pn, const uint8_t *aad, size_t aad_len,
    uint8_t *buf, size_t len, uint8_t **plain)
{
	if (*seal == NULL)
		*seal = make_seal(mem, rx->suite, rx->secret, seal == &rx->next);
	return *seal == NULL ? KCPSHIM_E_NOMEM : seal_open(*seal, pn, aad, aad_len, buf, len, plain);
}

int
phase_rx_open(struct phase_rx *rx, struct mem *mem, unsigned bit, uint64_t pn, const uint8_t *aad, size_t aad_len,
    uint8_t *buf, size_t len, uint8_t **plain, uint64_t now, uint64_t keep_us)
{
	int ret;

	drop_previous(rx, mem, now);
	if ((bit & 1) == (rx->phase & 1))
		return open_with(rx, &rx->present, mem, pn, aad, aad_len, buf, len, plain);
	if (rx->phase > 0 && pn < rx->first_pn)
		return rx->previous == NULL ? KCPSHIM_E_AUTH : seal_open(rx->previous, pn, aad, aad_len, buf, len, plain);
	ret = open_with(rx, &rx->next, mem, pn, aad, aad_len, buf, len, plain);
	if (ret >= 0)
		advance(rx, mem, pn, now + keep_us);
	return ret;
}

void
phase_tx_rest(struct phase_tx *tx, struct mem *mem)
{
	seal_free(mem, tx->seal);
	tx->seal = NULL;
}

void
phase_rx_rest(struct phase_rx *rx, struct mem *mem, uint64_t now)
{
	drop_previous(rx, mem, now);
	seal_free(mem, rx->present);
	seal_free(mem, rx->next);
	rx->present = rx->next = NULL;
}
