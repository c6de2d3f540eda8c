#include "phase.h"

#include <string.h>

#include "error.h"

static struct seal *
make_seal(struct mem *mem, const struct traffic_keys *keys)
{
	return seal_new(mem, (enum seal_suite)keys->suite, keys->key, keys->iv);
}

int
phase_tx_init(struct phase_tx *tx, struct mem *mem, const struct traffic_keys *keys, uint64_t now)
{
	memset(tx, 0, sizeof *tx);
	tx->seal = make_seal(mem, keys);
	if (tx->seal == NULL)
		return KCPSHIM_E_NOMEM;
	tx->keys = *keys;
	tx->started_at = now;
	return 0;
}

void
phase_tx_dispose(struct phase_tx *tx, struct mem *mem)
{
	seal_free(mem, tx->seal);
	traffic_wipe(tx, sizeof *tx);
}

void
phase_tx_confirm(struct phase_tx *tx)
{
	tx->confirmed = true;
}

bool
phase_tx_renew(struct phase_tx *tx, struct mem *mem, uint64_t pn, uint64_t now)
{
	struct traffic_keys keys;
	struct seal *seal;

	if (!tx->confirmed || (pn - tx->first_pn < TRAFFIC_RENEW_DATAGRAMS && now - tx->started_at < PHASE_LIFETIME_US))
		return false;
	keys = tx->keys;
	traffic_renew(&keys);
	seal = make_seal(mem, &keys);
	if (seal != NULL) {
		seal_free(mem, tx->seal);
		tx->seal = seal;
		tx->keys = keys;
		tx->phase++;
		tx->first_pn = pn;
		tx->started_at = now;
		tx->confirmed = false;
	}
	traffic_wipe(&keys, sizeof keys);
	return seal != NULL;
}

int
phase_rx_init(struct phase_rx *rx, struct mem *mem, const struct traffic_keys *keys)
{
	memset(rx, 0, sizeof *rx);
	rx->present = make_seal(mem, keys);
	rx->keys = *keys;
	traffic_renew(&rx->keys);
	rx->next = make_seal(mem, &rx->keys);
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
	traffic_renew(&rx->keys);
	rx->next = make_seal(mem, &rx->keys);
}

int
phase_rx_open(struct phase_rx *rx, struct mem *mem, unsigned bit, uint64_t pn, const uint8_t *aad, size_t aad_len,
    uint8_t *buf, size_t len, uint8_t **plain, uint64_t now, uint64_t keep_us)
{
	int ret;

	drop_previous(rx, mem, now);
	if ((bit & 1) == (rx->phase & 1))
		return seal_open(rx->present, pn, aad, aad_len, buf, len, plain);
	if (rx->phase > 0 && pn < rx->first_pn)
		return rx->previous == NULL ? KCPSHIM_E_AUTH : seal_open(rx->previous, pn, aad, aad_len, buf, len, plain);
	if (rx->next == NULL)
		rx->next = make_seal(mem, &rx->keys);
	if (rx->next == NULL)
		return KCPSHIM_E_NOMEM;
	ret = seal_open(rx->next, pn, aad, aad_len, buf, len, plain);
	if (ret >= 0)
		advance(rx, mem, pn, now + keep_us);
	return ret;
}

void
phase_tx_rest(struct phase_tx *tx)
{
	seal_rest(tx->seal);
}

void
phase_rx_rest(struct phase_rx *rx, struct mem *mem, uint64_t now)
{
	drop_previous(rx, mem, now);
	if (rx->previous != NULL)
		seal_rest(rx->previous);
	seal_rest(rx->present);
	if (rx->next != NULL)
		seal_rest(rx->next);
}
