#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "core/mem.h"
#include "simlink.h"
#include "checkmain.h"

#define NBLOCKS 500
#define SEED 20261122u

static bool
filled_with(const uint8_t *p, size_t len, uint8_t v)
{
	while (len > 0 && p[len - 1] == v)
		len--;
	return len == 0;
}

START_TEST(aligned_zeroed_disjoint)
{
	struct mem *m = mem_new(0);
	uint8_t *p[NBLOCKS] = { NULL };
	size_t size[NBLOCKS] = { 0 };
	uint64_t rng = SEED;

	ck_assert_ptr_nonnull(m);
	for (int round = 0; round < 40000; round++) {
		unsigned i = simlink_random(&rng) % NBLOCKS;

		if (p[i] != NULL) {
			ck_assert_msg(filled_with(p[i], size[i], (uint8_t)i), "block %u overwritten, seed %u", i, SEED);
			mem_free(m, p[i], size[i]);
			p[i] = NULL;
			continue;
		}
		size[i] = 1 + simlink_random(&rng) % (round % 50 == 0 ? 100000 : 3000);
		p[i] = mem_alloc(m, size[i]);
		ck_assert_ptr_nonnull(p[i]);
		ck_assert_uint_eq((uintptr_t)p[i] % 16, 0);
		ck_assert(filled_with(p[i], size[i], 0));
		memset(p[i], (int)i, size[i]);
	}
	for (unsigned i = 0; i < NBLOCKS; i++)
		mem_free(m, p[i], size[i]);
	ck_assert_uint_eq(mem_used(m), 0);
	mem_destroy(m);
}
END_TEST

START_TEST(limit_is_kept)
{
	struct mem *m = mem_new(1u << 20);
	size_t n = 0;
	void *last = NULL, *p;

	while ((p = mem_alloc(m, 1400)) != NULL) {
		last = p;
		n++;
		ck_assert_uint_le(mem_mapped(m), 1u << 20);
	}
	ck_assert_uint_gt(n, 600);
	ck_assert_ptr_null(mem_alloc(m, 200000));
	mem_free(m, last, 1400);
	ck_assert_ptr_eq(mem_alloc(m, 1400), last);
	mem_destroy(m);
	ck_assert_ptr_null(mem_new(100));
}
END_TEST

START_TEST(large_blocks_go_back_to_the_system)
{
	struct mem *m = mem_new(0);
	size_t mapped = mem_mapped(m);
	void *a = mem_alloc(m, 1u << 20), *b = mem_alloc(m, 1u << 21), *c = mem_alloc(m, 1u << 20);

	ck_assert(a != NULL && b != NULL && c != NULL);
	mem_free(m, b, 1u << 21);
	mem_free(m, a, 1u << 20);
	mem_free(m, c, 1u << 20);
	ck_assert_uint_eq(mem_mapped(m), mapped);
	ck_assert_uint_eq(mem_used(m), 0);
	mem_destroy(m);
}
END_TEST

/* The VmFlags of the mapping that holds `p`, from smaps; false when it is not found. */
static bool
vm_flags(const void *p, char flags[512])
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long from = 0, to = 0, a, b;
	bool found = false;
	char line[512];

	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, "VmFlags:", 8) == 0) {
			found = from <= (unsigned long)p && (unsigned long)p < to;
			memcpy(flags, line, sizeof(line));
		} else if (sscanf(line, "%lx-%lx ", &a, &b) == 2) {
			from = a;
			to = b;
		}
	}
	if (f != NULL)
		fclose(f);
	return found;
}

START_TEST(left_out_of_core_dumps)
{
	struct mem *m = mem_new(0);
	char flags[512];

	ck_assert(vm_flags(mem_alloc(m, 100), flags));
	ck_assert_msg(strstr(flags, " dd") != NULL, "%s", flags);
	ck_assert(vm_flags(mem_alloc(m, 1u << 20), flags));
	ck_assert_msg(strstr(flags, " dd") != NULL, "%s", flags);
	mem_destroy(m);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("mem");

	tcase_add_test(t, aligned_zeroed_disjoint);
	tcase_add_test(t, limit_is_kept);
	tcase_add_test(t, large_blocks_go_back_to_the_system);
	tcase_add_test(t, left_out_of_core_dumps);
	return check_main("mem", t);
}
