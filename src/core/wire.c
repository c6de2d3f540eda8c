/* wire: see wire.h. Layouts: kcpshim-wire(7). */
#include "wire.h"

#include <string.h>

#include "error.h"

#define PLAIN_PUSH 81u
#define PLAIN_ACK 82u
#define PLAIN_WASK 83u
#define PLAIN_WINS 84u

enum frame_code {
	FRAME_PADDING = 0x00,
	FRAME_DATA = 0x01,
	FRAME_DATA_FIN = 0x02,
	FRAME_ACK = 0x03,
	FRAME_WASK = 0x04,
	FRAME_WINS = 0x05,
	FRAME_PING = 0x06,
	FRAME_PONG = 0x07,
	FRAME_RST = 0x08,
	FRAME_CHALLENGE = 0x09,
	FRAME_RESPONSE = 0x0a,
	FRAME_PART = 0x0b,
	FRAME_PART_FIN = 0x0c,
	FRAME_PARITY = 0x0d,
	FRAME_ECN = 0x0e,
	FRAME_COUNT
};

#define SESSION_ACK_HEADER 16u
#define SESSION_RANGE_LEN 4u
#define ACK_DELAY_UNIT_US 8u


static uint16_t
get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t
get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t
get64(const uint8_t *p)
{
	return (uint64_t)get32(p) | (uint64_t)get32(p + 4) << 32;
}

static void
put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static void
put32(uint8_t *p, uint32_t v)
{
	put16(p, v);
	put16(p + 2, v >> 16);
}

static void
put64(uint8_t *p, uint64_t v)
{
	put32(p, (uint32_t)v);
	put32(p + 4, (uint32_t)(v >> 32));
}

static void
frame_clear(struct wire_frame *f)
{
	/* The ranges are valid only up to nranges; clearing them would cost more than the rest of the parsing. */
	memset(f, 0, offsetof(struct wire_frame, ranges));
}

int
wire_reader_init(struct wire_reader *r, enum wire_codec codec, uint32_t conv, const uint8_t *buf, size_t len)
{
	r->codec = codec;
	r->conv = conv;
	r->p = buf;
	r->end = buf + len;
	r->ts = 0;
	if (codec == WIRE_PLAIN)
		return 0;
	if (len < WIRE_SESSION_PREFIX)
		return KCPSHIM_E_SHORT;
	r->ts = get32(buf);
	r->p += WIRE_SESSION_PREFIX;
	return 0;
}

/* The order of the checks is that of ikcp_input(): conv, length, command. */
static int
plain_next(struct wire_reader *r, struct wire_frame *f)
{
	static const enum wire_type types[] = { WIRE_DATA, WIRE_ACK, WIRE_WASK, WIRE_WINS };
	const uint8_t *p = r->p;
	size_t left = (size_t)(r->end - r->p);
	uint32_t len;

	if (left < WIRE_PLAIN_HEADER)
		return 0;
	if (get32(p) != r->conv)
		return KCPSHIM_E_UNKNOWN;
	len = get32(p + 20);
	if (len > left - WIRE_PLAIN_HEADER)
		return KCPSHIM_E_SHORT;
	if (p[4] < PLAIN_PUSH || p[4] > PLAIN_WINS)
		return KCPSHIM_E_FORMAT;
	frame_clear(f);
	f->type = types[p[4] - PLAIN_PUSH];
	f->plain_cmd = p[4];
	f->conv = r->conv;
	f->wnd = get16(p + 6);
	f->una = get32(p + 16);
	if (f->type == WIRE_DATA || f->type == WIRE_ACK) {
		f->ts = get32(p + 8);
		f->has_ts = true;
		f->sn = get32(p + 12);
	}
	if (f->type == WIRE_DATA) {
		f->frg = p[5];
		f->data = p + WIRE_PLAIN_HEADER;
		f->len = len;
	}
	r->p = p + WIRE_PLAIN_HEADER + len;
	return 1;
}

static int
session_data(struct wire_reader *r, struct wire_frame *f, const uint8_t *p, size_t left)
{
	f->type = WIRE_DATA;
	f->fin = p[0] == FRAME_DATA_FIN;
	f->sn = get32(p + 1);
	f->len = get16(p + 5);
	f->data = p + WIRE_SESSION_DATA_HEADER;
	f->ts = r->ts;
	f->has_ts = true;
	if (f->len > left - WIRE_SESSION_DATA_HEADER)
		return KCPSHIM_E_SHORT;
	r->p = f->data + f->len;
	return 1;
}

static int
session_part(struct wire_reader *r, struct wire_frame *f, const uint8_t *p, size_t left)
{
	f->type = WIRE_DATA;
	f->fin = p[0] == FRAME_PART_FIN;
	f->sn = get32(p + 1);
	f->offset = get16(p + 5);
	f->total = get16(p + 7);
	f->len = get16(p + 9);
	f->data = p + WIRE_SESSION_PART_HEADER;
	f->ts = r->ts;
	f->has_ts = true;
	if (f->len > left - WIRE_SESSION_PART_HEADER)
		return KCPSHIM_E_SHORT;
	if (f->len == 0 || f->offset + f->len > f->total)
		return KCPSHIM_E_FORMAT;
	r->p = f->data + f->len;
	return 1;
}

static int
session_ack(struct wire_reader *r, struct wire_frame *f, const uint8_t *p, size_t left)
{
	unsigned count = p[15];
	uint32_t at;

	f->type = WIRE_ACK;
	f->una = get32(p + 1);
	f->wnd = get32(p + 5);
	f->ts = get32(p + 9);
	f->has_ts = true;
	f->ts_delay_us = get16(p + 13) * ACK_DELAY_UNIT_US;
	if (count > WIRE_ACK_RANGES_MAX)
		return KCPSHIM_E_FORMAT;
	if (left < SESSION_ACK_HEADER + count * SESSION_RANGE_LEN)
		return KCPSHIM_E_SHORT;
	p += SESSION_ACK_HEADER;
	at = f->una;
	for (unsigned i = 0; i < count; i++, p += SESSION_RANGE_LEN) {
		f->ranges[i].first = at + get16(p);
		f->ranges[i].count = get16(p + 2);
		if (f->ranges[i].count == 0)
			return KCPSHIM_E_FORMAT;
		at = f->ranges[i].first + f->ranges[i].count;
	}
	f->nranges = (uint16_t)count;
	r->p = p;
	return 1;
}

static int
session_small(struct wire_reader *r, struct wire_frame *f, const uint8_t *p, size_t need)
{
	static const enum wire_type types[FRAME_COUNT] = {
		[FRAME_WASK] = WIRE_WASK, [FRAME_WINS] = WIRE_WINS, [FRAME_PING] = WIRE_PING, [FRAME_PONG] = WIRE_PONG,
		[FRAME_RST] = WIRE_RST, [FRAME_CHALLENGE] = WIRE_CHALLENGE, [FRAME_RESPONSE] = WIRE_RESPONSE,
	};

	f->type = types[p[0]];
	if (f->type == WIRE_WINS) {
		f->una = get32(p + 1);
		f->wnd = get32(p + 5);
	} else if (f->type == WIRE_RST) {
		f->code = get16(p + 1);
	} else if (f->type != WIRE_WASK) {
		f->token = get64(p + 1);
	}
	r->p = p + need;
	return 1;
}

static int
session_parity(struct wire_reader *r, struct wire_frame *f, const uint8_t *p, size_t left)
{
	f->type = WIRE_PARITY;
	f->sn = get32(p + 1);
	f->group_k = p[5];
	f->group_n = p[6];
	f->group_m = p[7];
	f->group_i = p[8];
	f->len = get16(p + 9);
	if (left - WIRE_PARITY_HEADER < f->len)
		return KCPSHIM_E_SHORT;
	f->data = p + WIRE_PARITY_HEADER;
	r->p = f->data + f->len;
	return 1;
}

static int
session_ecn(struct wire_reader *r, struct wire_frame *f, const uint8_t *p)
{
	f->type = WIRE_ECN;
	f->ecn = (struct ecn_counts){ .other = get32(p + 1), .ect0 = get32(p + 5), .ect1 = get32(p + 9), .ce = get32(p + 13) };
	r->p = p + WIRE_ECN_LEN;
	return 1;
}

static int
session_next(struct wire_reader *r, struct wire_frame *f)
{
	static const uint8_t header[FRAME_COUNT] = {
		[FRAME_DATA] = WIRE_SESSION_DATA_HEADER, [FRAME_DATA_FIN] = WIRE_SESSION_DATA_HEADER,
		[FRAME_ACK] = SESSION_ACK_HEADER, [FRAME_WASK] = 1, [FRAME_WINS] = 9, [FRAME_PING] = 9, [FRAME_PONG] = 9,
		[FRAME_RST] = 3, [FRAME_CHALLENGE] = 9, [FRAME_RESPONSE] = 9,
		[FRAME_PART] = WIRE_SESSION_PART_HEADER, [FRAME_PART_FIN] = WIRE_SESSION_PART_HEADER,
		[FRAME_PARITY] = WIRE_PARITY_HEADER, [FRAME_ECN] = WIRE_ECN_LEN,
	};
	const uint8_t *p = r->p;
	size_t left = (size_t)(r->end - r->p);

	if (left == 0 || p[0] == FRAME_PADDING)
		return 0;
	if (p[0] >= FRAME_COUNT)
		return KCPSHIM_E_FORMAT;
	if (left < header[p[0]])
		return KCPSHIM_E_SHORT;
	frame_clear(f);
	switch (p[0]) {
	case FRAME_DATA:
	case FRAME_DATA_FIN:
		return session_data(r, f, p, left);
	case FRAME_PART:
	case FRAME_PART_FIN:
		return session_part(r, f, p, left);
	case FRAME_ACK:
		return session_ack(r, f, p, left);
	case FRAME_PARITY:
		return session_parity(r, f, p, left);
	case FRAME_ECN:
		return session_ecn(r, f, p);
	default:
		return session_small(r, f, p, header[p[0]]);
	}
}

int
wire_next(struct wire_reader *r, struct wire_frame *f)
{
	int rc = r->codec == WIRE_PLAIN ? plain_next(r, f) : session_next(r, f);

	if (rc < 0)
		r->p = r->end;
	return rc;
}

void
wire_writer_init(struct wire_writer *w, enum wire_codec codec, uint32_t conv, uint8_t *buf, size_t cap)
{
	memset(w, 0, sizeof(*w));
	w->codec = codec;
	w->conv = conv;
	w->buf = buf;
	w->cap = cap;
	if (codec == WIRE_SESSION && cap >= WIRE_SESSION_PREFIX) {
		w->start = w->len = WIRE_SESSION_PREFIX;
		put32(buf, 0);
	}
}

void
wire_writer_stamp(struct wire_writer *w, uint32_t una, uint32_t wnd, uint32_t ts)
{
	w->una = una;
	w->wnd = wnd;
	w->ts = ts;
	if (w->start >= WIRE_SESSION_PREFIX)
		put32(w->buf, ts);
}

bool
wire_writer_empty(const struct wire_writer *w)
{
	return w->len == w->start;
}

size_t
wire_data_overhead(enum wire_codec codec)
{
	return codec == WIRE_PLAIN ? WIRE_PLAIN_HEADER : WIRE_SESSION_DATA_HEADER;
}

size_t
wire_writer_data_room(const struct wire_writer *w)
{
	size_t room = w->cap - w->len, header = wire_data_overhead(w->codec);

	return room > header ? room - header : 0;
}

static bool
plain_put(struct wire_writer *w, const struct wire_frame *f)
{
	static const uint8_t cmds[] = {
		[WIRE_DATA] = PLAIN_PUSH, [WIRE_ACK] = PLAIN_ACK, [WIRE_WASK] = PLAIN_WASK, [WIRE_WINS] = PLAIN_WINS,
	};
	uint8_t *p = w->buf + w->len;

	if (f->type > WIRE_WINS || w->cap - w->len < WIRE_PLAIN_HEADER + (size_t)f->len)
		return false;
	put32(p, w->conv);
	p[4] = cmds[f->type];
	p[5] = f->frg;
	put16(p + 6, w->wnd > WIRE_WND_PLAIN_MAX ? WIRE_WND_PLAIN_MAX : w->wnd);
	put32(p + 8, f->type == WIRE_ACK ? f->ts : w->ts);
	put32(p + 12, f->sn);
	put32(p + 16, w->una);
	put32(p + 20, f->len);
	if (f->len > 0)
		memcpy(p + WIRE_PLAIN_HEADER, f->data, f->len);
	w->len += WIRE_PLAIN_HEADER + f->len;
	return true;
}

static bool
session_put_data(struct wire_writer *w, const struct wire_frame *f)
{
	uint8_t *p = w->buf + w->len;

	if (f->len > UINT16_MAX || w->cap - w->len < WIRE_SESSION_DATA_HEADER + (size_t)f->len)
		return false;
	p[0] = f->fin ? FRAME_DATA_FIN : FRAME_DATA;
	put32(p + 1, f->sn);
	put16(p + 5, f->len);
	if (f->len > 0)
		memcpy(p + WIRE_SESSION_DATA_HEADER, f->data, f->len);
	w->len += WIRE_SESSION_DATA_HEADER + f->len;
	return true;
}

static bool
session_put_part(struct wire_writer *w, const struct wire_frame *f)
{
	uint8_t *p = w->buf + w->len;

	if (f->total > UINT16_MAX || w->cap - w->len < WIRE_SESSION_PART_HEADER + (size_t)f->len)
		return false;
	p[0] = f->fin ? FRAME_PART_FIN : FRAME_PART;
	put32(p + 1, f->sn);
	put16(p + 5, f->offset);
	put16(p + 7, f->total);
	put16(p + 9, f->len);
	memcpy(p + WIRE_SESSION_PART_HEADER, f->data, f->len);
	w->len += WIRE_SESSION_PART_HEADER + f->len;
	return true;
}

static bool
session_put_ack(struct wire_writer *w, const struct wire_frame *f)
{
	uint8_t *p = w->buf + w->len, *count;
	uint32_t delay = f->ts_delay_us / ACK_DELAY_UNIT_US, at = f->una;

	if (w->cap - w->len < SESSION_ACK_HEADER)
		return false;
	p[0] = FRAME_ACK;
	put32(p + 1, f->una);
	put32(p + 5, f->wnd);
	put32(p + 9, f->ts);
	put16(p + 13, delay > UINT16_MAX ? UINT16_MAX : delay);
	count = p + 15;
	*count = 0;
	w->len += SESSION_ACK_HEADER;
	for (unsigned i = 0; i < f->nranges && i < WIRE_ACK_RANGES_MAX && w->cap - w->len >= SESSION_RANGE_LEN; i++) {
		uint32_t gap = f->ranges[i].first - at, n = f->ranges[i].count;

		/* What 16 bits cannot say is left for a later ACK. */
		if (gap > UINT16_MAX || n == 0)
			break;
		if (n > UINT16_MAX)
			n = UINT16_MAX;
		put16(w->buf + w->len, gap);
		put16(w->buf + w->len + 2, n);
		w->len += SESSION_RANGE_LEN;
		++*count;
		at = f->ranges[i].first + n;
	}
	return true;
}

static bool
session_put_parity(struct wire_writer *w, const struct wire_frame *f)
{
	uint8_t *p = w->buf + w->len;

	if (f->len > UINT16_MAX || w->cap - w->len < WIRE_PARITY_HEADER + (size_t)f->len)
		return false;
	p[0] = FRAME_PARITY;
	put32(p + 1, f->sn);
	p[5] = f->group_k;
	p[6] = f->group_n;
	p[7] = f->group_m;
	p[8] = f->group_i;
	put16(p + 9, f->len);
	if (f->len > 0)
		memcpy(p + WIRE_PARITY_HEADER, f->data, f->len);
	w->len += WIRE_PARITY_HEADER + f->len;
	return true;
}

static bool
session_put_ecn(struct wire_writer *w, const struct wire_frame *f)
{
	uint8_t *p = w->buf + w->len;

	if (w->cap - w->len < WIRE_ECN_LEN)
		return false;
	p[0] = FRAME_ECN;
	put32(p + 1, f->ecn.other);
	put32(p + 5, f->ecn.ect0);
	put32(p + 9, f->ecn.ect1);
	put32(p + 13, f->ecn.ce);
	w->len += WIRE_ECN_LEN;
	return true;
}

bool
wire_is_parity(const uint8_t *plain, size_t len)
{
	return len > WIRE_SESSION_PREFIX && plain[WIRE_SESSION_PREFIX] == FRAME_PARITY;
}

static bool
session_put_small(struct wire_writer *w, const struct wire_frame *f)
{
	static const struct { uint8_t code, len; } table[] = {
		[WIRE_WASK] = { FRAME_WASK, 1 }, [WIRE_WINS] = { FRAME_WINS, 9 }, [WIRE_PING] = { FRAME_PING, 9 },
		[WIRE_PONG] = { FRAME_PONG, 9 }, [WIRE_RST] = { FRAME_RST, 3 },
		[WIRE_CHALLENGE] = { FRAME_CHALLENGE, 9 }, [WIRE_RESPONSE] = { FRAME_RESPONSE, 9 },
	};
	uint8_t *p = w->buf + w->len;
	size_t len = table[f->type].len;

	if (w->cap - w->len < len)
		return false;
	p[0] = table[f->type].code;
	if (f->type == WIRE_WINS) {
		put32(p + 1, f->una);
		put32(p + 5, f->wnd);
	} else if (f->type == WIRE_RST) {
		put16(p + 1, f->code);
	} else if (f->type != WIRE_WASK) {
		put64(p + 1, f->token);
	}
	w->len += len;
	return true;
}

bool
wire_put(struct wire_writer *w, const struct wire_frame *f)
{
	if (w->codec == WIRE_PLAIN)
		return plain_put(w, f);
	switch (f->type) {
	case WIRE_DATA:
		return f->total != 0 ? session_put_part(w, f) : session_put_data(w, f);
	case WIRE_ACK:
		return session_put_ack(w, f);
	case WIRE_PARITY:
		return session_put_parity(w, f);
	case WIRE_ECN:
		return session_put_ecn(w, f);
	default:
		return session_put_small(w, f);
	}
}
