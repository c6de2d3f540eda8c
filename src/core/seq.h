/* seq: 32-bit serial-number arithmetic (RFC 1982) for sn, una and ts. */
#ifndef KCPSHIM_SEQ_H
#define KCPSHIM_SEQ_H

#include <stdbool.h>
#include <stdint.h>

/* a - b in serial arithmetic: negative when a is before b. */
static inline int32_t
seq_diff(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

static inline bool
seq_before(uint32_t a, uint32_t b)
{
	return seq_diff(a, b) < 0;
}

static inline bool
seq_after(uint32_t a, uint32_t b)
{
	return seq_diff(a, b) > 0;
}

#endif
