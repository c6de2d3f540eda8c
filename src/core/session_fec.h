/* session_fec: erasure groups of one session: in its sealed frames, or in kcp-go's layout on the plain wire. */
#ifndef KCPSHIM_SESSION_FEC_H
#define KCPSHIM_SESSION_FEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct path;
struct session;
struct session_config;
struct session_fec;
struct wire_frame;

#define SESSION_FEC_PLAIN_HEADER 8u /* kcp-go: number, kind, size */

/* From the rule, when the session opens; `peer`: the other side understands PARITY frames (plain: has to). 0 or KCPSHIM_E_NOMEM. */
int session_fec_open(struct session *, const struct session_config *, bool peer);
void session_fec_free(struct session *);
/* Nothing was sent or received for a while: memory is given back. */
void session_fec_rest(struct session *);
/* Bytes that a datagram loses to it. */
size_t session_fec_room(const struct session *);

/* --- session wire --- */
/* Parity waits to be sent, before anything else. */
bool session_fec_due(const struct session *);
/* The plaintext of the next PARITY datagram into body[0..cap); its length. */
size_t session_fec_put(struct session *, uint8_t *body, size_t cap, uint64_t now);
/* A datagram with this plaintext is about to be sealed. */
void session_fec_sent(struct session *, const uint8_t *plain, size_t len, uint64_t now);
/* A datagram with this plaintext and number was opened. */
void session_fec_received(struct session *, uint64_t pn, const uint8_t *plain, size_t len);
void session_fec_parity(struct session *, const struct wire_frame *);
/* The next datagram that could be restored, or NULL; to be asked after each that was received. */
const uint8_t *session_fec_restored(struct session *, uint32_t *pn, size_t *len);

/* Datagrams restored so far. */
uint64_t session_fec_count(const struct session *);

/* --- plain wire --- */
/* Frames the KCP bytes buf[SESSION_FEC_PLAIN_HEADER .. + len); the whole length. */
size_t session_fec_plain_frame(struct session *, uint8_t *buf, size_t len);
/* The next parity, when session_fec_due(), into buf; its length. */
size_t session_fec_plain_parity(struct session *, uint8_t *buf, uint64_t now);
/* A datagram of a peer with FEC: takes the frame off. False: not of that form. *kcp is NULL when it holds parity. */
bool session_fec_plain_read(const uint8_t *d, size_t len, const uint8_t **kcp, size_t *kcp_len);
/* The session knows of the datagram d (with its frame). */
void session_fec_plain_received(struct session *, const uint8_t *d, size_t len);

#endif
