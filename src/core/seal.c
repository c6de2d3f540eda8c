#include "seal.h"

#include <string.h>

#include "bytes.h"
#include "crc32c.h"
#include "error.h"
#include "mem.h"
#include "seal_aead.h"
#include "seal_impl.h"

#define SEAL_CRC_LEN 4u

static size_t
room_fixed(const struct seal *s, size_t datagram)
{
	size_t overhead = s->head + s->tail;

	return datagram > overhead ? datagram - overhead : 0;
}

static int
none_protect(struct seal *s, uint64_t pn, const uint8_t *aad, size_t aad_len, uint8_t *buf, size_t len, const uint8_t rnd[16])
{
	bytes_put32(buf + len, crc32c(crc32c(0, aad, aad_len), buf, len));
	return (int)(len + SEAL_CRC_LEN);
}

static int
none_open(struct seal *s, uint64_t pn, const uint8_t *aad, size_t aad_len, uint8_t *buf, size_t len, uint8_t **plain)
{
	if (len < SEAL_CRC_LEN)
		return KCPSHIM_E_SHORT;
	len -= SEAL_CRC_LEN;
	if (bytes_get32(buf + len) != crc32c(crc32c(0, aad, aad_len), buf, len))
		return KCPSHIM_E_AUTH;
	*plain = buf;
	return (int)len;
}

static int
plain_protect(struct seal *s, uint64_t pn, const uint8_t *aad, size_t aad_len, uint8_t *buf, size_t len, const uint8_t rnd[16])
{
	return (int)len;
}

static int
plain_open(struct seal *s, uint64_t pn, const uint8_t *aad, size_t aad_len, uint8_t *buf, size_t len, uint8_t **plain)
{
	*plain = buf;
	return (int)len;
}

static const struct seal_ops none_ops = { room_fixed, none_protect, none_open, NULL };
static const struct seal_ops plain_ops = { room_fixed, plain_protect, plain_open, NULL };

static struct seal *
seal_new_keyless(struct mem *mem, enum seal_suite suite)
{
	struct seal *s = mem_alloc(mem, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->ops = suite == SEAL_NONE ? &none_ops : &plain_ops;
	s->size = sizeof(*s);
	s->tail = suite == SEAL_NONE ? SEAL_CRC_LEN : 0;
	s->suite = suite;
	return s;
}

struct seal *
seal_new(struct mem *mem, enum seal_suite suite, const uint8_t key[SEAL_KEY_LEN], const uint8_t iv[SEAL_IV_LEN])
{
	switch (suite) {
	case SEAL_NONE:
	case SEAL_PLAIN:
		return seal_new_keyless(mem, suite);
	default:
		return seal_aead_new(mem, suite, key, iv);
	}
}

void
seal_free(struct mem *mem, struct seal *s)
{
	size_t size;

	if (s == NULL)
		return;
	if (s->ops->dispose != NULL)
		s->ops->dispose(s);
	size = s->size;
	explicit_bzero(s, size);
	mem_free(mem, s, size);
}

size_t
seal_head(const struct seal *s)
{
	return s->head;
}

size_t
seal_tail(const struct seal *s)
{
	return s->tail;
}

size_t
seal_room(const struct seal *s, size_t datagram)
{
	return s->ops->room(s, datagram);
}

int
seal_protect(struct seal *s, uint64_t pn, const uint8_t *aad, size_t aad_len, uint8_t *buf, size_t len, const uint8_t rnd[16])
{
	return s->ops->protect(s, pn, aad, aad_len, buf, len, rnd);
}

int
seal_open(struct seal *s, uint64_t pn, const uint8_t *aad, size_t aad_len, uint8_t *buf, size_t len, uint8_t **plain)
{
	return s->ops->open(s, pn, aad, aad_len, buf, len, plain);
}
