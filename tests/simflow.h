/* simflow: flows over one simulated path: our ARQ or the model of another sender, our ARQ receives. */
#ifndef KCPSHIM_SIMFLOW_H
#define KCPSHIM_SIMFLOW_H

#include "classic.h"
#include "core/kcp.h"
#include "core/mem.h"
#include "simlink.h"
#include "tcpflow.h"

enum simflow_sender { SIMFLOW_OURS, SIMFLOW_CLASSIC, SIMFLOW_RENO, SIMFLOW_CUBIC };

struct simflow {
	/* set by the caller, the rest zero */
	enum simflow_sender sender;
	struct kcp_config cfg;       /* sender and receiver; codec PLAIN unless it is ours */
	const struct classic_config *classic;
	uint32_t peer_ack_delay_us;
	uint64_t handshake_rtt;      /* us: what a handshake before measured; 0: there was none */
	uint64_t start;              /* us */
	uint32_t message;            /* bytes of each message; 0: bulk */
	uint32_t period;             /* us between messages */
	/* state */
	struct mem *mem;
	struct kcp *tx, *rx;
	struct classic *old;
	struct tcpflow *tcp;
	uint64_t next_message;
	uint64_t *sent_at;           /* of each message */
	uint32_t *latency;
	size_t messages, arrived, cap;
	/* results */
	uint64_t bytes;              /* read by the receiver */
	uint64_t datagrams, wire_bytes;  /* sent by the sender, headers included */
	uint64_t rtt_sum, rtt_n;     /* srtt of the sender at each arrival: mean queue */
};

struct simnet {
	struct simlink ab, ba;
	struct simflow *flows;
	unsigned nflows;
	uint64_t now;
	uint64_t bytes_from;         /* results count from here on */
};

/* Starts every flow; the flows stay the caller's. */
void simnet_init(struct simnet *, struct simflow *, unsigned nflows, const struct simlink_config *ab,
    const struct simlink_config *ba, uint64_t seed);
void simnet_run(struct simnet *, uint64_t until);
void simnet_dispose(struct simnet *);
/* Latency in us below which the share `q` of all messages sent until `before` arrived; UINT32_MAX: not even so many arrived. */
uint32_t simflow_quantile(const struct simflow *, double q, uint64_t before);
uint64_t simflow_retransmits(const struct simflow *);
/* (sum x)^2 / (n sum x^2) */
double simnet_jain(const struct simnet *);

#endif
