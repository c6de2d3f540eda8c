/* ident: who a descriptor of ours is, read from its peer's abstract AF_UNIX name.
 *
 * The engine binds its end of every pair to such a name, so getpeername(2) on the program's raw descriptor
 * identifies it in any process, after dup, fork, exec or SCM_RIGHTS; `ss -xp` shows it.
 * Text form after the leading NUL: "kcps" ROLE ENGINE(12 hex) ID(8 hex) FAM LOCAL PEER [SCOPE], addresses in hex.
 */
#ifndef KCPSHIM_IDENT_H
#define KCPSHIM_IDENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../core/netaddr.h"

enum ident_role { IDENT_CONNECTED = 'c', IDENT_ACCEPTED = 'a', IDENT_LISTENER = 'l' };

struct ident {
	enum ident_role role;
	uint64_t engine;        /* 48 bits, random */
	uint32_t id;            /* the engine's number of this connection or listener, never 0 */
	int domain;             /* AF_INET or AF_INET6: what socket() was called with */
	struct netaddr local;   /* family 4, or 6 (v4-mapped when a dual-stack socket speaks IPv4) as domain says */
	struct netaddr peer;    /* family 0 for a listener */
};

/* Writes the name; returns the address length for bind(2). */
socklen_t ident_format(const struct ident *, struct sockaddr_un *);
/* Parses what getpeername(2) gave. False: not one of ours. Async-signal-safe. */
bool ident_parse(struct ident *, const struct sockaddr_un *, socklen_t len);
/* The engine's control address. */
socklen_t ident_engine_name(uint64_t engine, struct sockaddr_un *);
/* Prefix of every control address without the leading NUL, as found in /proc/net/unix behind '@'. */
#define IDENT_ENGINE_PREFIX "kcpse"

/* netaddr <-> sockaddr. to: returns the length used; `domain` AF_INET6 maps an IPv4 address. */
socklen_t ident_to_sockaddr(const struct netaddr *, int domain, struct sockaddr_storage *);
bool ident_from_sockaddr(struct netaddr *, const struct sockaddr *, socklen_t len);

#endif
