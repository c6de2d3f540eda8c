/* fec: erasure groups. Of k shards of a group and m parity shards, any k give back all the others.
 *
 * Reed-Solomon over GF(256), polynomial 0x11d, with the systematic form of a Vandermonde matrix: byte for byte what kcp-go makes.
 * ISA-L does the arithmetic. A data shard is a size (2 bytes, little-endian, counting itself) and that many bytes less two of
 * payload; to the arithmetic it goes on with zeros for ever.
 */
#ifndef KCPSHIM_FEC_H
#define KCPSHIM_FEC_H

#include <stddef.h>
#include <stdint.h>

#define FEC_DATA_MAX 64u
#define FEC_PARITY_MAX 16u
#define FEC_SIZE_LEN 2u
#define FEC_PAYLOAD_MAX 65000u

struct mem;
struct fec_encoder;
struct fec_decoder;

/* Groups of `k` payloads of at most `cap` bytes each. NULL: out of bounds, or no memory. */
struct fec_encoder *fec_encoder_new(struct mem *, unsigned k, unsigned m, size_t cap);
void fec_encoder_free(struct fec_encoder *);
/* The next payload of the present group; returns how many it has now. 0: too long, or the group is full; nothing happened. */
unsigned fec_encoder_add(struct fec_encoder *, const uint8_t *payload, size_t len);
unsigned fec_encoder_count(const struct fec_encoder *);
/* Parity shard i of the present group, which may have fewer than k shards (the rest count as zeros); *len is its length. */
const uint8_t *fec_encoder_parity(const struct fec_encoder *, unsigned i, size_t *len);
/* Starts a new group. */
void fec_encoder_reset(struct fec_encoder *);

/* Shards have consecutive numbers: n of data from `first` on, then m of parity; n <= k. */
struct fec_group {
	uint32_t first;
	uint8_t k, n, m;
};

/* Remembers the last FEC_WINDOW shards. NULL without memory. */
#define FEC_WINDOW 256u
struct fec_decoder *fec_decoder_new(struct mem *);
void fec_decoder_free(struct fec_decoder *);
/* 0 or KCPSHIM_E_NOMEM, _RANGE. A number that is there already is left as it is. */
int fec_decoder_put_data(struct fec_decoder *, uint32_t number, const uint8_t *payload, size_t len);
int fec_decoder_put_parity(struct fec_decoder *, uint32_t number, const uint8_t *bytes, size_t len);
/* Works out the data shards of the group that are missing, if enough of it is there, and remembers them. Returns how many that
 * were, with their numbers in restored[]; 0: nothing is missing, or too much. KCPSHIM_E_RANGE: no such group, _NOMEM. */
int fec_decoder_restore(struct fec_decoder *, const struct fec_group *, uint32_t restored[FEC_PARITY_MAX]);
/* Payload of a data shard that is remembered, or NULL. Valid until the next put or restore. */
const uint8_t *fec_decoder_get(const struct fec_decoder *, uint32_t number, size_t *len);

#endif
