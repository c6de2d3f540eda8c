/* linkem_model: what one direction of an emulated link does to each packet, on a virtual clock.
 *
 * Pure: no system call, no clock, no global. The emulator and the unit tests pass the time in.
 * A packet first waits in a drop-tail queue, then is sent at the link's rate, and is lost, damaged,
 * doubled or delayed only after that, as on a radio link: a lost packet has used its airtime.
 */
#ifndef LINKEM_MODEL_H
#define LINKEM_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINKEM_NS_PER_MS UINT64_C(1000000)
#define LINKEM_NS_PER_S UINT64_C(1000000000)

/* What the user asked of one direction. All-zero is a perfect link. */
struct linkem_profile {
	uint64_t rate;          /* bit/s; 0: infinitely fast, no queue */
	uint64_t queue_bytes;   /* a packet that would find more waiting is dropped; 0: see queue_ns */
	uint64_t queue_ns;      /* the same as a waiting time; 0 and queue_bytes 0: no limit */
	uint64_t mark_ns;       /* packets that would wait longer are marked with CE, if they are ECN-capable; 0: none */
	uint64_t delay_ns;      /* mean propagation delay */
	uint64_t jitter_ns;     /* standard deviation of the delay (normal, never below 0 in sum) */
	uint64_t jitter_tau_ns; /* correlation time of the jitter; 0: independent from packet to packet */
	bool reorder;           /* jitter may make packets overtake each other */
	double loss;            /* 0..1, long-run share of packets lost */
	double burst;           /* mean packets lost in a row (Gilbert-Elliott); <= 1: independent losses */
	double duplicate;       /* 0..1, share delivered twice */
	double corrupt;         /* 0..1, share with one flipped payload bit */
	bool corrupt_hidden;    /* the flip leaves the UDP checksum right, so that the program gets to see it */
	uint64_t blackout_at_ns;     /* from the start; everything sent in the window is lost */
	uint64_t blackout_ns;        /* length; 0: no blackout */
	uint64_t blackout_period_ns; /* repeats after this; 0: once */
};

enum linkem_fate {
	LINKEM_DELIVER,
	LINKEM_QUEUE_FULL,
	LINKEM_LOST,
	LINKEM_BLACKOUT,
};

struct linkem_verdict {
	enum linkem_fate fate;
	unsigned copies;         /* 0, 1 or 2 */
	uint64_t due_ns[2];      /* delivery time of each copy; due_ns[0] <= due_ns[1] */
	bool mark;               /* set CE */
	bool corrupt;            /* flip bit `corrupt_bit` modulo the payload's bits */
	uint32_t corrupt_bit;
};

/* Counters since linkem_direction_init; bytes are those of whole IP packets. */
struct linkem_counters {
	uint64_t offered, offered_bytes;
	uint64_t delivered, delivered_bytes; /* doubled packets count twice */
	uint64_t queue_full, queue_full_bytes;
	uint64_t lost, lost_bytes;
	uint64_t blackout, blackout_bytes;
	uint64_t duplicated, corrupted, overtaken;
};

struct linkem_rng {
	uint64_t state;
};

/* One random stream for each purpose: asking for duplicates does not change which packets are lost. */
enum linkem_stream {
	LINKEM_RNG_LOSS,
	LINKEM_RNG_JITTER,
	LINKEM_RNG_DUPLICATE,
	LINKEM_RNG_CORRUPT,
	LINKEM_RNG_COUNT,
};

struct linkem_direction {
	struct linkem_profile profile;
	struct linkem_rng rng[LINKEM_RNG_COUNT];
	struct linkem_counters counters;
	uint64_t start_ns;
	uint64_t queue_limit_ns; /* longest wait before a packet's transmission begins */
	uint64_t busy_until_ns;  /* the transmitter is free from here on */
	uint64_t rate_remainder; /* fraction of a nanosecond carried to the next packet, times rate */
	uint64_t last_due_ns;    /* latest delivery promised so far */
	uint64_t jitter_at_ns;   /* when jitter_z was drawn */
	double jitter_z;         /* state of the correlated jitter, in standard deviations */
	bool jitter_valid;
	bool in_burst;           /* Gilbert-Elliott: in the losing state */
	bool forced_blackout;    /* switched by linkem_direction_set_blackout */
};

/* Starts a direction at time `now_ns`. The same profile, seed, times and lengths give the same verdicts. */
void linkem_direction_init(struct linkem_direction *, const struct linkem_profile *, uint64_t seed,
	uint64_t now_ns);

/* Decides what becomes of a packet of `len` bytes that reaches the queue at `now_ns` (never before an earlier call's). */
void linkem_direction_offer(struct linkem_direction *, uint64_t now_ns, size_t len, struct linkem_verdict *);

/* While on, every packet is lost. */
void linkem_direction_set_blackout(struct linkem_direction *, bool on);

/* Uniform in [0, 1). */
double linkem_rng_unit(struct linkem_rng *);

#endif
