/* mem: see mem.h. */
#include "mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

/* Classes: 16, 32 .. 256, then eight to each doubling, so that rounding wastes at most an eighth. */
#define CLASS_STEP 16u
#define CLASS_LINEAR 256u
#define CLASS_SUB 8u
#define CLASS_MAX 32768u
#define CLASS_COUNT (CLASS_LINEAR / CLASS_STEP + 7u * CLASS_SUB)
#define CHUNK_FIRST 16384u
#define CHUNK_MAX 262144u
#define PAGE 4096u

struct free_block {
	struct free_block *next;
};

struct chunk {
	struct chunk *next;
	size_t size;
};

/* Blocks too large for a class are mapped alone and listed, for mem_destroy. */
struct big {
	struct big *next, *prev;
	size_t size;
	size_t pad;
};

struct mem {
	struct free_block *free[CLASS_COUNT];
	struct chunk *chunks;
	struct big *big;
	uint8_t *bump, *bump_end;
	size_t limit, used, mapped;
	size_t next_chunk;
};

static size_t
round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

static unsigned
class_of(size_t size)
{
	unsigned shift;

	if (size <= CLASS_LINEAR)
		return (unsigned)((size + CLASS_STEP - 1) / CLASS_STEP) - 1;
	shift = 63u - (unsigned)__builtin_clzll(size - 1);   /* 2^shift < size <= 2^(shift+1) */
	return CLASS_LINEAR / CLASS_STEP + (shift - 8) * CLASS_SUB + (unsigned)((size - 1 - ((size_t)1 << shift)) >> (shift - 3));
}

static size_t
class_size(unsigned c)
{
	unsigned shift;

	if (c < CLASS_LINEAR / CLASS_STEP)
		return (size_t)(c + 1) * CLASS_STEP;
	c -= CLASS_LINEAR / CLASS_STEP;
	shift = 8 + c / CLASS_SUB;
	return ((size_t)1 << shift) + ((size_t)(c % CLASS_SUB + 1) << (shift - 3));
}

static void *
map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	/* Keys and what the program sends have no place in a core dump. A refusal leaves nothing to do about it. */
	(void)madvise(p, size, MADV_DONTDUMP);
	return p;
}

struct mem *
mem_new(size_t limit)
{
	struct mem *m;
	struct chunk *c;

	if (limit != 0 && limit < CHUNK_FIRST)
		return NULL;
	c = map(CHUNK_FIRST);
	if (c == NULL)
		return NULL;
	c->size = CHUNK_FIRST;
	m = (struct mem *)((uint8_t *)c + round_up(sizeof(*c), CLASS_STEP));
	m->chunks = c;
	m->limit = limit;
	m->mapped = CHUNK_FIRST;
	m->next_chunk = CHUNK_FIRST * 2;
	m->bump = (uint8_t *)m + round_up(sizeof(*m), CLASS_STEP);
	m->bump_end = (uint8_t *)c + CHUNK_FIRST;
	return m;
}

void
mem_destroy(struct mem *m)
{
	struct chunk *c;
	struct big *b;

	if (m == NULL)
		return;
	while ((b = m->big) != NULL) {
		m->big = b->next;
		munmap(b, b->size);
	}
	/* The arena itself lies in the first chunk, which is the last of the list. */
	c = m->chunks;
	while (c != NULL) {
		struct chunk *next = c->next;

		munmap(c, c->size);
		c = next;
	}
}

static bool
allowed(const struct mem *m, size_t more)
{
	return m->limit == 0 || (more <= m->limit && m->mapped <= m->limit - more);
}

/* The unused end of a chunk goes to the free lists instead of being lost. */
static void
retire_bump(struct mem *m)
{
	size_t left;

	while ((left = (size_t)(m->bump_end - m->bump)) >= CLASS_STEP) {
		unsigned c = class_of(left > CLASS_MAX ? CLASS_MAX : left);
		struct free_block *b = (struct free_block *)m->bump;

		if (class_size(c) > left)
			c--;
		b->next = m->free[c];
		m->free[c] = b;
		m->bump += class_size(c);
	}
}

static bool
grow(struct mem *m, size_t need)
{
	size_t size = m->next_chunk, head = round_up(sizeof(struct chunk), CLASS_STEP);
	struct chunk *c;

	if (size < need + head)
		size = round_up(need + head, PAGE);
	if (!allowed(m, size))
		size = round_up(need + head, PAGE);
	if (!allowed(m, size) || (c = map(size)) == NULL)
		return false;
	retire_bump(m);
	c->size = size;
	c->next = m->chunks;
	m->chunks = c;
	m->mapped += size;
	m->bump = (uint8_t *)c + head;
	m->bump_end = (uint8_t *)c + size;
	if (m->next_chunk < CHUNK_MAX)
		m->next_chunk *= 2;
	return true;
}

static void *
big_alloc(struct mem *m, size_t size)
{
	struct big *b;

	if (size > SIZE_MAX - PAGE - sizeof(*b))
		return NULL;
	size = round_up(size + sizeof(*b), PAGE);
	if (!allowed(m, size) || (b = map(size)) == NULL)
		return NULL;
	b->size = size;
	b->next = m->big;
	if (b->next != NULL)
		b->next->prev = b;
	m->big = b;
	m->mapped += size;
	m->used += size;
	return b + 1;
}

static void
big_free(struct mem *m, void *p)
{
	struct big *b = (struct big *)p - 1;

	if (b->prev != NULL)
		b->prev->next = b->next;
	else
		m->big = b->next;
	if (b->next != NULL)
		b->next->prev = b->prev;
	m->mapped -= b->size;
	m->used -= b->size;
	munmap(b, b->size);
}

void *
mem_alloc_raw(struct mem *m, size_t size)
{
	struct free_block *b;
	unsigned c;
	size_t n;

	if (size > CLASS_MAX)
		return big_alloc(m, size);
	c = class_of(size);
	n = class_size(c);
	b = m->free[c];
	if (b != NULL) {
		m->free[c] = b->next;
	} else {
		if ((size_t)(m->bump_end - m->bump) < n && !grow(m, n))
			return NULL;
		b = (struct free_block *)m->bump;
		m->bump += n;
	}
	m->used += n;
	return b;
}

void *
mem_alloc(struct mem *m, size_t size)
{
	void *p = mem_alloc_raw(m, size);

	if (p != NULL && size <= CLASS_MAX)
		memset(p, 0, size);
	return p;
}

void
mem_free(struct mem *m, void *p, size_t size)
{
	struct free_block *b = p;
	unsigned c;

	if (p == NULL)
		return;
	if (size > CLASS_MAX) {
		big_free(m, p);
		return;
	}
	c = class_of(size);
	b->next = m->free[c];
	m->free[c] = b;
	m->used -= class_size(c);
}

size_t
mem_used(const struct mem *m)
{
	return m->used;
}

size_t
mem_mapped(const struct mem *m)
{
	return m->mapped;
}
