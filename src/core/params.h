/* params: the parameter list of INIT and ACCEPT, to and from bytes (kcpshim-wire(7), Parameters). */
#ifndef KCPSHIM_PARAMS_H
#define KCPSHIM_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reset_token.h"

#define PARAMS_LEN 64u      /* bytes that this build writes: entries, then zeros */
#define PARAMS_MAX 256u     /* bytes that it reads at most */
#define PARAMS_SUITES_MAX 8u

struct handshake_params {
	uint64_t time;          /* client's clock, ns since 1970; 0: absent (ACCEPT) */
	uint32_t cid;           /* connection id of the server (ACCEPT); 0: absent */
	uint32_t rcv_wnd;       /* receive window, segments; 0: absent */
	uint16_t mtu;           /* largest datagram this side accepts, bytes; 0: absent */
	uint8_t fec;            /* 1: this side understands PARITY frames; 0: absent */
	uint8_t ecn;            /* 1: this side reads the ECN field and understands ECN frames; 0: absent */
	bool has_reset;         /* ACCEPT */
	uint8_t reset[RESET_PARAM_LEN]; /* how the server would say that the session is gone */
	uint8_t nsuites;        /* enum seal_suite; INIT: all offered, best first; ACCEPT: the one chosen */
	uint8_t suites[PARAMS_SUITES_MAX];
};

/* Writes what is present into out[0..PARAMS_LEN) and pads with zeros. */
void params_write(const struct handshake_params *, uint8_t out[PARAMS_LEN]);
/* Reads a list; entries of unknown type are skipped, suites beyond PARAMS_SUITES_MAX dropped, of two entries of one type the
 * last counts. KCPSHIM_E_SHORT: an entry ends behind the list; _FORMAT: a known entry has the wrong length; _RANGE: len. */
int params_read(struct handshake_params *, const uint8_t *in, size_t len);

/* The suite a server answers with: the client's first if it is also the server's first, else ChaCha20-Poly1305 if both have
 * it (one of the two lacks AES instructions), else the client's first that the server has; -1 when none. */
int params_choose_suite(const struct handshake_params *client, const uint8_t *server, size_t nserver);

#endif
