/* classic: a sender by the rules of the original KCP, for comparison: ticks, no pacing, fast resend by count, ikcp's windows. */
#ifndef KCPSHIM_CLASSIC_H
#define KCPSHIM_CLASSIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct classic_config {
	uint32_t conv, mtu, snd_wnd;
	uint32_t interval_ms;   /* flushes happen at its multiples only */
	uint32_t resend;        /* fast-resend threshold, 0: off */
	bool nodelay, nc;
};

struct classic;

struct classic *classic_new(const struct classic_config *);
void classic_free(struct classic *);
/* Bytes that may be queued now; the content is of no interest and always zero. */
size_t classic_room(const struct classic *);
void classic_write(struct classic *, size_t len);
void classic_input(struct classic *, const uint8_t *, size_t len, uint64_t now);
/* Next datagram of the present flush into buf[mtu]; 0: none. */
size_t classic_output(struct classic *, uint8_t *buf, uint64_t now);
uint64_t classic_deadline(const struct classic *, uint64_t now);
uint64_t classic_retransmits(const struct classic *);

#endif
