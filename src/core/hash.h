/* hash: an intrusive table of nodes, found by hash value, that grows with what it holds. */
#ifndef KCPSHIM_HASH_H
#define KCPSHIM_HASH_H

#include <stddef.h>
#include <stdint.h>

struct mem;

struct hash_node {
	struct hash_node *next;
	struct hash_node **prevp; /* NULL: in no table */
	uint32_t hash;
};

struct hash {
	struct hash_node **buckets;
	uint32_t nbuckets;      /* power of two */
	uint32_t count;
};

/* 0 or KCPSHIM_E_NOMEM. */
int hash_init(struct hash *, struct mem *);
void hash_dispose(struct hash *, struct mem *);
/* The node must not be in a table. Growing may fail silently: chains then become longer. */
void hash_insert(struct hash *, struct mem *, struct hash_node *, uint32_t hash);
/* Nothing happens when the node is in no table. */
void hash_remove(struct hash *, struct hash_node *);
/* First node with this hash value (keys may still differ), and the next one after it; NULL at the end. */
struct hash_node *hash_first(const struct hash *, uint32_t hash);
struct hash_node *hash_next(const struct hash_node *);

#endif
