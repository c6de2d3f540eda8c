/* wire: frames to and from bytes, for both codecs, with every length checked.
 *
 * Plain codec: the 24-byte segments of KCP, byte for byte (kcpshim-wire(7), PLAIN MODE).
 * Session codec: the compact frames inside a sealed session datagram (kcpshim-wire(7), FRAMES).
 * A struct wire_frame is what both have in common; kcp and session never see bytes.
 */
#ifndef KCPSHIM_WIRE_H
#define KCPSHIM_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ecn.h"

enum wire_codec { WIRE_PLAIN, WIRE_SESSION };

enum wire_type {
	WIRE_DATA,      /* PUSH: one segment of the stream */
	WIRE_ACK,       /* plain: one (sn, ts); session: una + ranges + newest ts */
	WIRE_WASK,      /* asks for the window */
	WIRE_WINS,      /* tells una and window */
	/* session codec only */
	WIRE_PING,      /* asks for a PONG with the same token */
	WIRE_PONG,
	WIRE_RST,       /* the session is over; `code` says why */
	WIRE_CHALLENGE, /* path validation: 8 bytes to be returned over the same path */
	WIRE_RESPONSE,
	WIRE_PARITY,    /* one parity shard of an erasure group of datagrams */
	WIRE_ECN,       /* how many datagrams came with which mark */
};

#define WIRE_PLAIN_HEADER 24u       /* bytes of one plain segment before its payload */
#define WIRE_SESSION_DATA_HEADER 7u /* type u8, sn u32, len u16 */
#define WIRE_SESSION_PART_HEADER 11u /* type u8, sn u32, offset u16, total u16, len u16 */
#define WIRE_SESSION_PREFIX 4u      /* ts u32 at the start of each datagram's plaintext */
#define WIRE_PARITY_HEADER 11u      /* type u8, first u32, k u8, n u8, m u8, i u8, len u16 */
#define WIRE_ECN_LEN 17u            /* type u8, other u32, ect0 u32, ect1 u32, ce u32 */
#define WIRE_ACK_RANGES_MAX 32u
#define WIRE_WND_PLAIN_MAX 65535u   /* plain: u16 on the wire, saturates */

/* Received segments [first, first + count) beyond una. */
struct wire_range {
	uint32_t first;
	uint32_t count;  /* >= 1 */
};

/* One frame, as parsed or as to be written. Fields that the type does not use are 0. */
struct wire_frame {
	enum wire_type type;
	uint8_t plain_cmd;     /* plain: the command byte as received */
	uint8_t frg;           /* DATA: fragments that follow in this message (plain, message mode) */
	bool fin;              /* DATA, session: the stream ends after this segment's bytes */
	bool has_ts;           /* ts below is meaningful */
	uint32_t conv;         /* plain */
	uint32_t wnd;          /* ACK, WINS (session); every plain frame: peer's free receive window, segments */
	uint32_t ts;           /* DATA: sender's clock; ACK: the echo. Unit is the sender's own */
	uint32_t ts_delay_us;  /* ACK, session: time the receiver held the echo back */
	uint32_t sn;           /* DATA; ACK (plain); PARITY: number of the first datagram of the group, low 32 bits */
	uint32_t una;          /* ACK, WINS (session); every plain frame: all before it were received */
	const uint8_t *data;   /* DATA, PARITY: payload, inside the caller's buffer */
	uint32_t len;          /* DATA, PARITY: payload bytes */
	uint32_t offset, total; /* DATA, session: this is bytes offset.. of a segment of `total`; total 0: it is whole */
	uint64_t token;        /* PING, PONG, CHALLENGE, RESPONSE */
	uint8_t group_k, group_n, group_m, group_i; /* PARITY: see fec.h; i: which of the m this is */
	uint16_t code;         /* RST */
	uint16_t nranges;      /* ACK, session */
	union {
		struct wire_range ranges[WIRE_ACK_RANGES_MAX]; /* ascending, disjoint */
		struct ecn_counts ecn; /* ECN */
	};
};

struct wire_reader {
	enum wire_codec codec;
	const uint8_t *p;
	const uint8_t *end;
	uint32_t conv;         /* plain: the session's; a frame of another conv is an error */
	uint32_t ts;           /* session: the datagram's prefix */
};

/* Starts reading `len` bytes (the plaintext of one datagram). The buffer must outlive the frames.
 * Session: reads the prefix; KCPSHIM_E_SHORT when there is none. Plain: always 0. */
int wire_reader_init(struct wire_reader *, enum wire_codec, uint32_t conv, const uint8_t *buf, size_t len);

/* Next frame. 1: *f is filled. 0: end (plain: fewer than 24 bytes left, as in ikcp; session: padding).
 * Negative: KCPSHIM_E_FORMAT (unknown command), _SHORT (length beyond the datagram or negative),
 * _UNKNOWN (plain: other conv). Frames before the error stay valid; as in ikcp the rest is skipped. */
int wire_next(struct wire_reader *, struct wire_frame *f);

struct wire_writer {
	enum wire_codec codec;
	uint8_t *buf;
	size_t cap;            /* bytes that may be written */
	size_t len;            /* bytes written so far */
	size_t start;          /* bytes of a datagram that holds no frame yet (the prefix) */
	uint32_t conv;         /* plain */
	uint32_t una, wnd, ts; /* plain: stamped on every segment; session: ts is the prefix */
};

/* Starts a datagram of at most `cap` plaintext bytes. Session: reserves the prefix. */
void wire_writer_init(struct wire_writer *, enum wire_codec, uint32_t conv, uint8_t *buf, size_t cap);
/* Sets what every plain segment carries and, in the session codec, the datagram's ts prefix. */
void wire_writer_stamp(struct wire_writer *, uint32_t una, uint32_t wnd, uint32_t ts);
/* Appends one frame and copies its payload; false, and nothing written, when it does not fit.
 * Plain WIRE_ACK writes one 24-byte segment; session WIRE_ACK writes as many of the ranges as fit, at least none. */
bool wire_put(struct wire_writer *, const struct wire_frame *f);
/* The plaintext of a datagram begins with a PARITY frame. */
bool wire_is_parity(const uint8_t *plain, size_t len);
/* True when no frame was put. */
bool wire_writer_empty(const struct wire_writer *);
/* Payload bytes of a DATA frame that still fit, 0 when not even its header does. */
size_t wire_writer_data_room(const struct wire_writer *);
/* Bytes a DATA frame adds to its payload. */
size_t wire_data_overhead(enum wire_codec);

#endif
