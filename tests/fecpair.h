/* fecpair: two endpoints over a simulated link, and a stream of messages or of bytes through a session between them. */
#ifndef TESTS_FECPAIR_H
#define TESTS_FECPAIR_H

#include <stdint.h>

#include "core/session.h"
#include "simlink.h"

struct fecpair_result {
	double p50, p99;           /* ms from when a message was written until all of it was read */
	uint64_t bytes;            /* that arrived */
	uint64_t carried;          /* bytes of datagrams on the link, both ways */
	uint64_t restored, sent;   /* datagrams made from parity; datagrams with anything, from the writer */
	uint64_t dropped;          /* datagrams that the reader refused */
};

/* `rate` bytes a second in messages of `size` for `seconds`; rate 0: as much as the session takes. Checks every byte. */
struct fecpair_result fecpair_run(const struct session_config *client, const struct session_config *server,
    const struct simlink_config *link, uint64_t rate, uint32_t size, double seconds, uint64_t seed);

#endif
