#include <string.h>

#include <check.h>

#include "checkmain.h"
#include "simlink.h"
#include "core/error.h"
#include "core/fec.h"
#include "core/mem.h"

#define FIRST 4294967290u   /* numbers wrap within the group */
#define LEN_MAX 1400u

static const struct { uint8_t k, n, m; } shapes[] = {
	{ 1, 1, 1 }, { 3, 3, 2 }, { 10, 10, 3 }, { 10, 7, 3 }, { 20, 20, 4 }, { 64, 64, 16 }, { 16, 1, 2 },
};

static struct mem *mem;
static uint8_t payload[FEC_DATA_MAX][LEN_MAX], parity[FEC_PARITY_MAX][LEN_MAX + FEC_SIZE_LEN];
static size_t len[FEC_DATA_MAX], parity_len;

static void
encode(uint64_t *rng, struct fec_group g)
{
	struct fec_encoder *e = fec_encoder_new(mem, g.k, g.m, LEN_MAX);

	ck_assert_ptr_nonnull(e);
	/* A group before this one leaves nothing behind. */
	ck_assert_uint_eq(fec_encoder_add(e, (const uint8_t *)"before", 6), 1);
	fec_encoder_reset(e);
	for (unsigned i = 0; i < g.n; i++) {
		len[i] = simlink_random(rng) % (LEN_MAX + 1);
		for (size_t j = 0; j < len[i]; j++)
			payload[i][j] = (uint8_t)simlink_random(rng);
		ck_assert_uint_eq(fec_encoder_add(e, payload[i], len[i]), i + 1);
	}
	for (unsigned i = 0; i < g.m; i++) {
		const uint8_t *p = fec_encoder_parity(e, i, &parity_len);

		memcpy(parity[i], p, parity_len);
	}
	fec_encoder_free(e);
}

/* Any n of n + m are enough, n - 1 are not; what is restored is what was sent. */
START_TEST(random_erasures)
{
	struct fec_group g = { FIRST, shapes[_i].k, shapes[_i].n, shapes[_i].m };
	uint64_t rng = 1000 + (uint64_t)_i;

	for (int round = 0; round < 20; round++) {
		struct fec_decoder *d = fec_decoder_new(mem);
		uint32_t restored[FEC_PARITY_MAX];
		bool lost[FEC_DATA_MAX + FEC_PARITY_MAX] = { false };
		unsigned nlost = simlink_random(&rng) % (g.m + 2u), lost_data = 0;
		int n;

		encode(&rng, g);
		if (nlost > (unsigned)g.n + g.m)
			nlost = (unsigned)g.n + g.m;
		for (unsigned i = 0; i < nlost; ) {
			unsigned which = simlink_random(&rng) % ((unsigned)g.n + g.m);

			i += !lost[which];
			lost[which] = true;
		}
		for (unsigned i = 0; i < g.n; i++)
			if (!lost[i])
				ck_assert_int_eq(fec_decoder_put_data(d, g.first + i, payload[i], len[i]), 0);
			else
				lost_data++;
		for (unsigned i = 0; i < g.m; i++)
			if (!lost[g.n + i])
				ck_assert_int_eq(fec_decoder_put_parity(d, g.first + g.n + i, parity[i], parity_len), 0);
		n = fec_decoder_restore(d, &g, restored);
		ck_assert_int_eq(n, nlost <= g.m ? (int)lost_data : 0);
		for (int i = 0; i < n; i++) {
			unsigned which = restored[i] - g.first;
			size_t got;
			const uint8_t *p = fec_decoder_get(d, restored[i], &got);

			ck_assert(lost[which]);
			ck_assert_ptr_nonnull(p);
			ck_assert_uint_eq(got, len[which]);
			ck_assert_int_eq(memcmp(p, payload[which], got), 0);
		}
		ck_assert_int_eq(fec_decoder_restore(d, &g, restored), 0);
		fec_decoder_free(d);
	}
	ck_assert_uint_eq(mem_used(mem), 0);
}
END_TEST

/* The parity of klauspost/reedsolomon, which kcp-go uses, for these shards. */
START_TEST(as_kcp_go)
{
	static const char *const words[] = { "a", "bc", "def", "", "kcpshim" };
	static const uint8_t expected[3][9] = {
		{ 0x0e, 0x00, 0x27, 0x14, 0x39, 0x73, 0x68, 0x69, 0x6d },
		{ 0x0f, 0x00, 0x71, 0x36, 0x01, 0x73, 0x68, 0x69, 0x6d },
		{ 0x08, 0x00, 0x5a, 0x47, 0x2e, 0x73, 0x68, 0x69, 0x6d },
	};
	struct fec_encoder *e = fec_encoder_new(mem, 5, 3, 100);
	size_t got;

	for (unsigned i = 0; i < 5; i++)
		ck_assert_uint_eq(fec_encoder_add(e, (const uint8_t *)words[i], strlen(words[i])), i + 1);
	for (unsigned i = 0; i < 3; i++) {
		const uint8_t *p = fec_encoder_parity(e, i, &got);

		ck_assert_uint_eq(got, sizeof(expected[i]));
		ck_assert_int_eq(memcmp(p, expected[i], got), 0);
	}
	fec_encoder_free(e);
}
END_TEST

START_TEST(bounds)
{
	struct fec_decoder *d = fec_decoder_new(mem);
	struct fec_encoder *e = fec_encoder_new(mem, 2, 1, 10);
	uint32_t restored[FEC_PARITY_MAX];

	ck_assert_ptr_null(fec_encoder_new(mem, 0, 1, 10));
	ck_assert_ptr_null(fec_encoder_new(mem, FEC_DATA_MAX + 1, 1, 10));
	ck_assert_ptr_null(fec_encoder_new(mem, 2, FEC_PARITY_MAX + 1, 10));
	ck_assert_uint_eq(fec_encoder_add(e, payload[0], 11), 0);
	ck_assert_uint_eq(fec_encoder_add(e, payload[0], 10), 1);
	ck_assert_uint_eq(fec_encoder_add(e, payload[0], 0), 2);
	ck_assert_uint_eq(fec_encoder_add(e, payload[0], 1), 0);
	ck_assert_int_eq(fec_decoder_put_parity(d, 1, payload[0], 1), KCPSHIM_E_RANGE);
	ck_assert_int_eq(fec_decoder_restore(d, &(struct fec_group){ 0, 2, 3, 1 }, restored), KCPSHIM_E_RANGE);
	ck_assert_int_eq(fec_decoder_restore(d, &(struct fec_group){ 0, 65, 3, 1 }, restored), KCPSHIM_E_RANGE);
	ck_assert_int_eq(fec_decoder_restore(d, &(struct fec_group){ 0, 0, 0, 1 }, restored), KCPSHIM_E_RANGE);
	fec_encoder_free(e);
	fec_decoder_free(d);
}
END_TEST

/* Parity that does not belong to the data gives a size that cannot be, or a wrong shard, never a read out of bounds. */
START_TEST(nonsense)
{
	struct fec_group g = { 7, 4, 4, 2 };
	uint64_t rng = 77;

	for (int round = 0; round < 300; round++) {
		struct fec_decoder *d = fec_decoder_new(mem);
		uint32_t restored[FEC_PARITY_MAX];
		int n;

		for (unsigned i = 0; i < 6; i++) {
			size_t l = FEC_SIZE_LEN + simlink_random(&rng) % 30;

			for (size_t j = 0; j < l; j++)
				payload[0][j] = (uint8_t)simlink_random(&rng);
			if (i == 1)
				continue;
			if (i < 4)
				(void)fec_decoder_put_data(d, g.first + i, payload[0], l);
			else
				(void)fec_decoder_put_parity(d, g.first + i, payload[0], l);
		}
		n = fec_decoder_restore(d, &g, restored);
		ck_assert(n == 0 || n == 1);
		fec_decoder_free(d);
	}
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("fec");

	mem = mem_new(0);
	tcase_add_loop_test(t, random_erasures, 0, (int)(sizeof(shapes) / sizeof(shapes[0])));
	tcase_add_test(t, as_kcp_go);
	tcase_add_test(t, bounds);
	tcase_add_test(t, nonsense);
	return check_main("fec", t);
}
