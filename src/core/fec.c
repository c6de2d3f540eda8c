#include "fec.h"

#include <stdbool.h>
#include <string.h>

#include <isa-l/erasure_code.h>

#include "bytes.h"
#include "error.h"
#include "mem.h"

#define TABLE_LEN 32u   /* of ISA-L, for each coefficient */

struct fec_encoder {
	struct mem *mem;
	size_t cap;             /* bytes of a shard */
	size_t len;             /* longest shard of the group */
	unsigned k, m, n;
	uint8_t *tables;        /* m x k coefficients */
	uint8_t *parity[FEC_PARITY_MAX];
};

enum slot_kind { SLOT_EMPTY, SLOT_DATA, SLOT_PARITY };

struct slot {
	uint8_t *bytes;         /* a whole shard, size included */
	uint32_t number;
	uint32_t len;
	uint8_t kind;
};

struct fec_decoder {
	struct mem *mem;
	struct slot slots[FEC_WINDOW];
};

static uint8_t
power(uint8_t base, unsigned exponent)
{
	uint8_t p = 1;

	while (exponent-- > 0)
		p = gf_mul(p, base);
	return p;
}

/* Row `row` of the Vandermonde matrix, times the inverse of its first k rows: unit rows, then those of the parity. */
static void
matrix_row(const uint8_t *inverse, unsigned k, unsigned row, uint8_t *out)
{
	memset(out, 0, k);
	for (unsigned i = 0; i < k; i++) {
		uint8_t v = power((uint8_t)row, i);

		for (unsigned c = 0; c < k; c++)
			out[c] ^= gf_mul(v, inverse[i * k + c]);
	}
}

/* k x k; false: cannot be (rows of such a matrix are independent). */
static bool
inverse_top(uint8_t *out, unsigned k)
{
	static const unsigned max = FEC_DATA_MAX;
	uint8_t top[FEC_DATA_MAX * FEC_DATA_MAX];

	if (k > max)
		return false;
	for (unsigned r = 0; r < k; r++)
		for (unsigned c = 0; c < k; c++)
			top[r * k + c] = power((uint8_t)r, c);
	return gf_invert_matrix(top, out, (int)k) == 0;
}

static bool
bounds(unsigned k, unsigned m)
{
	return k >= 1 && k <= FEC_DATA_MAX && m >= 1 && m <= FEC_PARITY_MAX;
}

struct fec_encoder *
fec_encoder_new(struct mem *mem, unsigned k, unsigned m, size_t cap)
{
	uint8_t inverse[FEC_DATA_MAX * FEC_DATA_MAX], rows[FEC_PARITY_MAX * FEC_DATA_MAX];
	struct fec_encoder *e;

	if (!bounds(k, m) || cap > FEC_PAYLOAD_MAX || !inverse_top(inverse, k) || (e = mem_alloc(mem, sizeof(*e))) == NULL)
		return NULL;
	e->mem = mem;
	e->k = k;
	e->m = m;
	e->cap = cap + FEC_SIZE_LEN;
	e->tables = mem_alloc_raw(mem, (size_t)m * k * TABLE_LEN);
	for (unsigned i = 0; i < m; i++) {
		matrix_row(inverse, k, k + i, rows + i * k);
		e->parity[i] = mem_alloc_raw(mem, e->cap);
		if (e->parity[i] == NULL || e->tables == NULL) {
			fec_encoder_free(e);
			return NULL;
		}
	}
	ec_init_tables((int)k, (int)m, rows, e->tables);
	fec_encoder_reset(e);
	return e;
}

void
fec_encoder_free(struct fec_encoder *e)
{
	if (e == NULL)
		return;
	for (unsigned i = 0; i < e->m; i++)
		mem_free(e->mem, e->parity[i], e->cap);
	mem_free(e->mem, e->tables, (size_t)e->m * e->k * TABLE_LEN);
	mem_free(e->mem, e, sizeof(*e));
}

void
fec_encoder_reset(struct fec_encoder *e)
{
	for (unsigned i = 0; i < e->m; i++)
		memset(e->parity[i], 0, e->cap);
	e->n = 0;
	e->len = 0;
}

unsigned
fec_encoder_count(const struct fec_encoder *e)
{
	return e->n;
}

/* Adds bytes at `at` of shard `index` to all outputs. */
static void
accumulate(unsigned k, unsigned rows, unsigned index, uint8_t *tables, const uint8_t *bytes, size_t len, size_t at, uint8_t **out)
{
	uint8_t *to[FEC_PARITY_MAX];

	for (unsigned i = 0; i < rows; i++)
		to[i] = out[i] + at;
	/* The prototype lacks a const. */
	ec_encode_data_update((int)len, (int)k, (int)rows, (int)index, tables, (uint8_t *)(uintptr_t)bytes, to);
}

unsigned
fec_encoder_add(struct fec_encoder *e, const uint8_t *payload, size_t len)
{
	uint8_t size[FEC_SIZE_LEN];

	if (len + FEC_SIZE_LEN > e->cap || e->n == e->k)
		return 0;
	bytes_put16(size, (uint16_t)(len + FEC_SIZE_LEN));
	accumulate(e->k, e->m, e->n, e->tables, size, FEC_SIZE_LEN, 0, e->parity);
	if (len > 0)
		accumulate(e->k, e->m, e->n, e->tables, payload, len, FEC_SIZE_LEN, e->parity);
	if (len + FEC_SIZE_LEN > e->len)
		e->len = len + FEC_SIZE_LEN;
	return ++e->n;
}

const uint8_t *
fec_encoder_parity(const struct fec_encoder *e, unsigned i, size_t *len)
{
	*len = e->len;
	return e->parity[i];
}

/* --- decoding --- */

struct fec_decoder *
fec_decoder_new(struct mem *mem)
{
	struct fec_decoder *d = mem_alloc(mem, sizeof(*d));

	if (d != NULL)
		d->mem = mem;
	return d;
}

static void
slot_clear(struct fec_decoder *d, struct slot *s)
{
	if (s->kind != SLOT_EMPTY)
		mem_free(d->mem, s->bytes, s->len);
	memset(s, 0, sizeof(*s));
}

void
fec_decoder_free(struct fec_decoder *d)
{
	if (d == NULL)
		return;
	for (unsigned i = 0; i < FEC_WINDOW; i++)
		slot_clear(d, &d->slots[i]);
	mem_free(d->mem, d, sizeof(*d));
}

static const struct slot *
find(const struct fec_decoder *d, uint32_t number, enum slot_kind kind)
{
	const struct slot *s = &d->slots[number % FEC_WINDOW];

	return s->kind == kind && s->number == number ? s : NULL;
}

/* An empty slot of `len` bytes, or NULL with *error set; 0: there is such a number already. */
static struct slot *
slot_new(struct fec_decoder *d, uint32_t number, enum slot_kind kind, size_t len, int *error)
{
	struct slot *s = &d->slots[number % FEC_WINDOW];
	uint8_t *bytes;

	*error = 0;
	if (s->kind != SLOT_EMPTY && s->number == number)
		return NULL;
	bytes = mem_alloc_raw(d->mem, len);
	if (bytes == NULL) {
		*error = KCPSHIM_E_NOMEM;
		return NULL;
	}
	slot_clear(d, s);
	*s = (struct slot){ .bytes = bytes, .number = number, .len = (uint32_t)len, .kind = (uint8_t)kind };
	return s;
}

int
fec_decoder_put_data(struct fec_decoder *d, uint32_t number, const uint8_t *payload, size_t len)
{
	struct slot *s;
	int error;

	if (len > FEC_PAYLOAD_MAX)
		return KCPSHIM_E_RANGE;
	s = slot_new(d, number, SLOT_DATA, len + FEC_SIZE_LEN, &error);
	if (s == NULL)
		return error;
	bytes_put16(s->bytes, (uint16_t)(len + FEC_SIZE_LEN));
	if (len > 0)
		memcpy(s->bytes + FEC_SIZE_LEN, payload, len);
	return 0;
}

int
fec_decoder_put_parity(struct fec_decoder *d, uint32_t number, const uint8_t *bytes, size_t len)
{
	struct slot *s;
	int error;

	if (len < FEC_SIZE_LEN || len > FEC_PAYLOAD_MAX + FEC_SIZE_LEN)
		return KCPSHIM_E_RANGE;
	s = slot_new(d, number, SLOT_PARITY, len, &error);
	if (s != NULL)
		memcpy(s->bytes, bytes, len);
	return error;
}

const uint8_t *
fec_decoder_get(const struct fec_decoder *d, uint32_t number, size_t *len)
{
	const struct slot *s = find(d, number, SLOT_DATA);

	if (s == NULL)
		return NULL;
	*len = s->len - FEC_SIZE_LEN;
	return s->bytes + FEC_SIZE_LEN;
}

/* What a restoration works with: for each column of the group the shard that takes part in it. */
struct restoration {
	const struct slot *source[FEC_DATA_MAX]; /* NULL: a shard of zeros */
	uint8_t row[FEC_DATA_MAX];               /* of the matrix that made it */
	uint8_t missing[FEC_PARITY_MAX];         /* columns */
	unsigned nmissing;
	size_t len;                              /* of a parity shard */
};

/* False: nothing is missing, or too much. */
static bool
collect(const struct fec_decoder *d, const struct fec_group *g, struct restoration *r)
{
	unsigned parity = 0, used = 0;

	memset(r, 0, sizeof(*r));
	for (unsigned i = 0; i < g->m; i++)
		parity += find(d, g->first + g->n + i, SLOT_PARITY) != NULL;
	for (unsigned i = 0; i < g->k; i++) {
		r->row[i] = (uint8_t)i;
		if (i >= g->n || (r->source[i] = find(d, g->first + i, SLOT_DATA)) != NULL)
			continue;
		if (r->nmissing == parity)
			return false;
		r->missing[r->nmissing++] = (uint8_t)i;
	}
	for (unsigned i = 0; i < g->m && used < r->nmissing; i++) {
		const struct slot *s = find(d, g->first + g->n + i, SLOT_PARITY);

		if (s == NULL)
			continue;
		if (used > 0 && s->len != r->len)
			return false;
		r->len = s->len;
		r->source[r->missing[used]] = s;
		r->row[r->missing[used++]] = (uint8_t)(g->k + i);
	}
	for (unsigned i = 0; i < g->k; i++)
		if (r->source[i] != NULL && r->source[i]->len > r->len)
			return false;
	return r->nmissing > 0;
}

/* Coefficients of the missing shards in terms of the sources. */
static bool
coefficients(const struct fec_group *g, const struct restoration *r, uint8_t *rows)
{
	uint8_t top[FEC_DATA_MAX * FEC_DATA_MAX], made[FEC_DATA_MAX * FEC_DATA_MAX], solved[FEC_DATA_MAX * FEC_DATA_MAX];

	if (!inverse_top(top, g->k))
		return false;
	for (unsigned i = 0; i < g->k; i++)
		matrix_row(top, g->k, r->row[i], made + i * g->k);
	if (gf_invert_matrix(made, solved, g->k) != 0)
		return false;
	for (unsigned i = 0; i < r->nmissing; i++)
		memcpy(rows + i * g->k, solved + r->missing[i] * g->k, g->k);
	return true;
}

static int
solve(struct fec_decoder *d, const struct fec_group *g, const struct restoration *r, uint8_t **out)
{
	uint8_t rows[FEC_PARITY_MAX * FEC_DATA_MAX], *tables;
	size_t tables_len = (size_t)r->nmissing * g->k * TABLE_LEN;

	if (!coefficients(g, r, rows))
		return KCPSHIM_E_RANGE;
	tables = mem_alloc_raw(d->mem, tables_len);
	if (tables == NULL)
		return KCPSHIM_E_NOMEM;
	ec_init_tables(g->k, (int)r->nmissing, rows, tables);
	for (unsigned i = 0; i < g->k; i++)
		if (r->source[i] != NULL)
			accumulate(g->k, r->nmissing, i, tables, r->source[i]->bytes, r->source[i]->len, 0, out);
	mem_free(d->mem, tables, tables_len);
	return 0;
}

int
fec_decoder_restore(struct fec_decoder *d, const struct fec_group *g, uint32_t restored[FEC_PARITY_MAX])
{
	uint8_t *out[FEC_PARITY_MAX] = { NULL };
	struct restoration r;
	int error = 0, n = 0;

	if (!bounds(g->k, g->m) || g->n < 1 || g->n > g->k)
		return KCPSHIM_E_RANGE;
	if (!collect(d, g, &r))
		return 0;
	for (unsigned i = 0; i < r.nmissing; i++)
		if ((out[i] = mem_alloc_raw(d->mem, r.len)) != NULL)
			memset(out[i], 0, r.len);
		else
			error = KCPSHIM_E_NOMEM;
	if (error == 0)
		error = solve(d, g, &r, out);
	for (unsigned i = 0; i < r.nmissing; i++) {
		uint32_t number = g->first + r.missing[i];
		size_t size = error == 0 ? bytes_get16(out[i]) : 0;

		if (size >= FEC_SIZE_LEN && size <= r.len && fec_decoder_put_data(d, number, out[i] + FEC_SIZE_LEN, size - FEC_SIZE_LEN) == 0)
			restored[n++] = number;
		mem_free(d->mem, out[i], r.len);
	}
	return error != 0 ? error : n;
}
