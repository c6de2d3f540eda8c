/* mem: the engine's own allocator, independent of malloc.
 *
 * The engine lives in somebody else's process and goes on after _Fork() when that
 * process exits; malloc's locks may then be held by a thread that no longer exists.
 * So everything under src/ that lives in the engine allocates here: size-class free lists
 * over chunks from mmap(2). One arena belongs to one thread; there is no lock.
 * Chunks hold keys and are left out of core dumps (MADV_DONTDUMP).
 */
#ifndef KCPSHIM_MEM_H
#define KCPSHIM_MEM_H

#include <stddef.h>

struct mem;

/* New arena that never holds more than `limit` bytes of chunks (0: no limit).
 * NULL when the system refuses memory. */
struct mem *mem_new(size_t limit);
/* Unmaps every chunk, whatever is still allocated. */
void mem_destroy(struct mem *);
/* `size` zeroed bytes aligned to 16, or NULL when the limit or the system refuses. size > 0. */
void *mem_alloc(struct mem *, size_t size);
/* As mem_alloc, but the bytes are not cleared. */
void *mem_alloc_raw(struct mem *, size_t size);
/* Gives back what mem_alloc(size) returned; the same `size`. NULL is ignored. */
void mem_free(struct mem *, void *, size_t size);
/* Bytes handed out now (rounded to size classes), and bytes mapped. */
size_t mem_used(const struct mem *);
size_t mem_mapped(const struct mem *);

#endif
