/* session_ecn: the ECN field of one session's datagrams: asked for, counted, told, and what follows from it. Plain sessions have none. */
#ifndef KCPSHIM_SESSION_ECN_H
#define KCPSHIM_SESSION_ECN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ecn_counts;
struct session;
struct session_info;
struct wire_writer;

void session_ecn_free(struct session *);
/* Its datagrams take another way from now on. */
void session_ecn_restart(struct session *);
/* The datagram that the endpoint is given just now opened, and is counted already. */
void session_ecn_received(struct session *);
/* An ECN frame of the peer. */
void session_ecn_report(struct session *, const struct ecn_counts *, uint64_t now);
/* Puts a probe into an empty writer; false: none is due. */
bool session_ecn_probe(struct session *, struct wire_writer *, uint64_t now);
/* Adds what came with which mark, if that is worth telling and fits. */
void session_ecn_echo(struct session *, struct wire_writer *);
/* A datagram of `len` bytes was sealed; `probe`: made by session_ecn_probe(). Chooses its mark. */
void session_ecn_sent(struct session *, size_t len, bool probe, uint64_t now);
void session_ecn_get(const struct session *, struct session_info *);

#endif
