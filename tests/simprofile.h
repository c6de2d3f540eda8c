/* simprofile: a simulated link that does to each datagram what tests/linkem does to real packets. */
#ifndef KCPSHIM_SIMPROFILE_H
#define KCPSHIM_SIMPROFILE_H

#include "linkem_model.h"
#include "simlink.h"

/* Direction `from_a` of the profile that link->cfg.profile names; aborts when it names none. */
void simprofile_init(struct simlink *, bool from_a, uint64_t seed);
/* bit/s, share lost and round trip in us of a profile. */
void simprofile_limits(const char *profile, double *rate, double *loss, uint64_t *rtt);

#endif
