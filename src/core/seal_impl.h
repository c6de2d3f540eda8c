/* seal_impl: what a protection has to provide; seal.c dispatches through it. Only seal*.c include this.
 *
 * A protection embeds struct seal as its first member, in storage of `size` bytes from mem.h.
 * The functions have the contracts of their namesakes in seal.h.
 */
#ifndef KCPSHIM_SEAL_IMPL_H
#define KCPSHIM_SEAL_IMPL_H

#include <stddef.h>
#include <stdint.h>

#include "seal.h"

struct seal_ops {
	size_t (*room)(const struct seal *, size_t datagram);
	int (*protect)(struct seal *, uint64_t pn, const uint8_t *aad, size_t aad_len,
	    uint8_t *buf, size_t len, const uint8_t rnd[16]);
	int (*open)(struct seal *, uint64_t pn, const uint8_t *aad, size_t aad_len,
	    uint8_t *buf, size_t len, uint8_t **plain);
	/* Releases what the protection holds beyond its own storage; NULL: nothing. seal_free wipes the storage itself. */
	void (*dispose)(struct seal *);
};

struct seal {
	const struct seal_ops *ops;
	size_t size;            /* bytes of the whole object, for mem_free */
	size_t head, tail;      /* seal_head(), seal_tail() */
	enum seal_suite suite;
};

#endif
