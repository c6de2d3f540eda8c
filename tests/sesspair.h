/* sesspair: a client and a server endpoint with a perfect wire between them that a test can cut, for tests of sessions. */
#ifndef TESTS_SESSPAIR_H
#define TESTS_SESSPAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/endpoint.h"
#include "core/mem.h"

#define SESSPAIR_DELAY 10000u  /* us, one way */
#define SESSPAIR_LOG 4096

/* A datagram as it was sent. */
struct sesspair_datagram {
	uint64_t at;
	int from;
	size_t len;
	struct path path;      /* as the sender gave it */
	uint8_t data[1500];
};

struct sesspair {
	uint64_t now;
	struct mem *mem[2];
	struct endpoint *ep[2];
	int listener;
	bool cut[2];           /* what side i sends is lost */
	uint64_t far;          /* us that the way is longer, each way */
	uint16_t nat;          /* the server sees side 0's ports this much higher; what goes to another port is lost */
	struct sesspair_datagram *log;
	int nlog, delivered;   /* log[delivered ..) is under way */
	int lost;              /* datagrams of the log that were cut */
	bool gone[SESSPAIR_LOG];
};

/* Side 0 connects, side 1 listens on its socket 1 with the same config. */
void sesspair_init(struct sesspair *, const struct session_config *);
void sesspair_dispose(struct sesspair *);
/* Side 1 loses everything and listens anew. `reset_secret`: see endpoint_set_reset_secret(); NULL: not set. */
void sesspair_restart(struct sesspair *, const struct session_config *, const uint8_t *reset_secret);
/* The address of side 0 on its socket `sock`; of side 1. */
struct path sesspair_path(int side, uint32_t sock);
struct session *sesspair_connect(struct sesspair *, uint32_t sock, const struct session_config *);
/* Lets the virtual time pass until `until`, moving datagrams and deadlines. */
void sesspair_run(struct sesspair *, uint64_t until);
/* Runs until nothing is under way and no deadline is nearer than a second, at most 60 s. */
void sesspair_settle(struct sesspair *);
/* The newest session of the server with an event to take, events taken; NULL: none. */
struct session *sesspair_accept(struct sesspair *);
/* Connects and accepts; both ends are established. */
void sesspair_open(struct sesspair *, const struct session_config *, struct session **client, struct session **server);
/* Writes text / reads what is there (NUL is added). */
void sesspair_write(struct sesspair *, struct session *, const char *text);
size_t sesspair_read(struct sesspair *, struct session *, char *buf, size_t cap);
/* Datagrams sent by `from` since log entry `since`. */
int sesspair_sent(const struct sesspair *, int from, int since);
/* Gives the datagram `d` of the log to the other side again. */
int sesspair_replay(struct sesspair *, int d);

#endif
