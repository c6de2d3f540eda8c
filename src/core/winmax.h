/* winmax: the greatest value of the last rounds, by the three-sample method of Nichols' windowed filter. */
#ifndef KCPSHIM_WINMAX_H
#define KCPSHIM_WINMAX_H

#include <stdint.h>

/* All zero: nothing seen. value[0] is the greatest of the window. */
struct winmax {
	uint64_t value[3];
	uint16_t round[3];    /* modulo 65536: a flow that has values less often than that keeps old ones a little longer */
};

/* Takes in `value`, seen in round `round`; what is older than `window` rounds is forgotten. */
void winmax_update(struct winmax *, uint64_t value, uint16_t round, uint16_t window);

#endif
