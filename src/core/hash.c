#include "hash.h"

#include "error.h"
#include "mem.h"

#define HASH_MIN_BUCKETS 16u

int
hash_init(struct hash *h, struct mem *mem)
{
	h->nbuckets = HASH_MIN_BUCKETS;
	h->count = 0;
	h->buckets = mem_alloc(mem, h->nbuckets * sizeof(struct hash_node *));
	return h->buckets == NULL ? KCPSHIM_E_NOMEM : 0;
}

void
hash_dispose(struct hash *h, struct mem *mem)
{
	mem_free(mem, h->buckets, h->nbuckets * sizeof(struct hash_node *));
	h->buckets = NULL;
}

static void
hash_link(struct hash_node **head, struct hash_node *n)
{
	n->next = *head;
	n->prevp = head;
	if (n->next != NULL)
		n->next->prevp = &n->next;
	*head = n;
}

static void
hash_grow(struct hash *h, struct mem *mem)
{
	uint32_t size = h->nbuckets * 2, i;
	struct hash_node **buckets, *n, *next;

	buckets = mem_alloc(mem, size * sizeof(struct hash_node *));
	if (buckets == NULL)
		return;
	for (i = 0; i < h->nbuckets; i++) {
		for (n = h->buckets[i]; n != NULL; n = next) {
			next = n->next;
			hash_link(&buckets[n->hash & (size - 1)], n);
		}
	}
	mem_free(mem, h->buckets, h->nbuckets * sizeof(struct hash_node *));
	h->buckets = buckets;
	h->nbuckets = size;
}

void
hash_insert(struct hash *h, struct mem *mem, struct hash_node *n, uint32_t hash)
{
	if (h->count >= h->nbuckets)
		hash_grow(h, mem);
	n->hash = hash;
	hash_link(&h->buckets[hash & (h->nbuckets - 1)], n);
	h->count++;
}

void
hash_remove(struct hash *h, struct hash_node *n)
{
	if (n->prevp == NULL)
		return;
	*n->prevp = n->next;
	if (n->next != NULL)
		n->next->prevp = n->prevp;
	n->prevp = NULL;
	h->count--;
}

struct hash_node *
hash_first(const struct hash *h, uint32_t hash)
{
	struct hash_node *n = h->buckets[hash & (h->nbuckets - 1)];

	while (n != NULL && n->hash != hash)
		n = n->next;
	return n;
}

struct hash_node *
hash_next(const struct hash_node *n)
{
	const struct hash_node *next = n->next;

	while (next != NULL && next->hash != n->hash)
		next = next->next;
	return (struct hash_node *)next;
}
