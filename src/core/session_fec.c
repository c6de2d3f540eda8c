#include "session_fec.h"

#include <string.h>

#include "bytes.h"
#include "endpoint_impl.h"
#include "error.h"
#include "fec.h"
#include "fec_policy.h"
#include "mem.h"
#include "session_impl.h"

#define GROUPS 4u                 /* whose parity came and that may still be completed */
#define REVIEW_US UINT64_C(250000)
#define STAY_US UINT64_C(8000000)        /* groups hide the losses that they repair: how long to go on before looking again */
#define STAY_MAX_US UINT64_C(64000000)
#define LOOK_DATAGRAMS 256u
#define GAP_MAX_US UINT64_C(1000000)
#define PLAIN_DATA 0xf1u
#define PLAIN_PARITY 0xf2u

struct session_fec {
	bool automatic;             /* the policy decides about k and m */
	uint8_t k, m;
	uint8_t left;               /* parity shards of the present group that wait to be sent */
	struct fec_encoder *encoder; /* NULL: nothing is protected */
	uint32_t first;             /* number of the group's first datagram; plain: of the next one */
	uint64_t began;             /* when that was sent */
	uint64_t transmissions;     /* of kcp, as last seen */
	uint64_t gap, data_at;      /* us between datagrams with data, smoothed; when the last one left */
	uint64_t review_at, stay;

	struct fec_decoder *decoder; /* NULL until parity comes */
	struct fec_group groups[GROUPS];
	unsigned next_group;
	uint32_t restored[FEC_PARITY_MAX];
	unsigned nrestored;
	uint64_t count;
};

int
session_fec_open(struct session *s, const struct session_config *cfg, bool peer)
{
	struct session_fec *f;

	if (cfg->fec == SESSION_FEC_OFF || !peer)
		return 0;
	f = s->fec = mem_alloc(s->endpoint->mem, sizeof(*f));
	if (f == NULL)
		return KCPSHIM_E_NOMEM;
	s->fec_sends = true;
	f->stay = STAY_US;
	f->automatic = cfg->fec == SESSION_FEC_AUTO;
	f->k = cfg->fec_data;
	f->m = cfg->fec_parity;
	return 0;
}

void
session_fec_rest(struct session *s)
{
	struct session_fec *f = s->fec;

	if (f == NULL || s->plain)
		return;
	fec_encoder_free(f->encoder);
	fec_decoder_free(f->decoder);
	f->encoder = NULL;
	f->decoder = NULL;
	f->left = 0;
	f->nrestored = 0;
	memset(f->groups, 0, sizeof(f->groups));
}

void
session_fec_free(struct session *s)
{
	struct session_fec *f = s->fec;

	if (f == NULL)
		return;
	fec_encoder_free(f->encoder);
	fec_decoder_free(f->decoder);
	mem_free(s->endpoint->mem, f, sizeof(*f));
	s->fec = NULL;
}

size_t
session_fec_room(const struct session *s)
{
	if (!s->fec_sends)
		return 0;
	return s->plain ? SESSION_FEC_PLAIN_HEADER : WIRE_SESSION_PREFIX + WIRE_PARITY_HEADER + FEC_SIZE_LEN;
}

/* --- what is sent --- */

static struct fec_encoder *
new_encoder(const struct session *s)
{
	return fec_encoder_new(s->endpoint->mem, s->fec->k, s->fec->m, session_seal_room(s, s->mtu_max));
}

/* Chooses anew whether and how to protect; between two groups only. */
static void
review(struct session *s, uint64_t now)
{
	struct session_fec *f = s->fec;
	struct fec_path path = { .gap = f->gap };
	unsigned k = 0, m = 0;
	bool on, was_on = f->encoder != NULL;

	if (!f->automatic || now < f->review_at)
		return;
	kcp_get_path(s->kcp, &path.loss, &path.srtt, &path.min_rtt, &path.fills);
	/* While it is on, the loss that is seen is what is left of it: off for a moment, to see all of it. */
	on = !was_on && fec_choose(&path, &k, &m);
	fec_encoder_free(f->encoder);
	f->encoder = NULL;
	f->review_at = now + REVIEW_US;
	if (f->gap * LOOK_DATAGRAMS > REVIEW_US)
		f->review_at = now + f->gap * LOOK_DATAGRAMS;
	if (!on) {
		if (!was_on)
			f->stay = STAY_US;
		return;
	}
	f->review_at = now + f->stay;
	f->stay = f->stay < STAY_MAX_US ? f->stay * 2 : STAY_MAX_US;
	f->k = (uint8_t)k;
	f->m = (uint8_t)m;
	f->encoder = new_encoder(s);
}

static void
note_gap(struct session_fec *f, uint64_t now)
{
	uint64_t gap = now - f->data_at;

	if (f->data_at != 0 && gap < GAP_MAX_US)
		f->gap = f->gap != 0 ? (15 * f->gap + gap) / 16 : gap;
	f->data_at = now;
}

void
session_fec_sent(struct session *s, const uint8_t *plain, size_t len, uint64_t now)
{
	struct session_fec *f = s->fec;
	uint64_t transmissions;
	bool data;

	if (!s->fec_sends || !session_streaming(s))
		return;
	transmissions = kcp_transmissions(s->kcp);
	data = transmissions != f->transmissions;
	f->transmissions = transmissions;
	if (data)
		note_gap(f, now);
	if (!f->automatic && f->encoder == NULL)
		f->encoder = new_encoder(s);
	if (f->encoder != NULL && fec_encoder_count(f->encoder) > 0 &&
	    (now - f->began > session_srtt(s) / 2 || (uint32_t)s->tx_pn != f->first + fec_encoder_count(f->encoder)))
		fec_encoder_reset(f->encoder); /* too late to be of use */
	if (f->encoder == NULL || fec_encoder_count(f->encoder) == 0) {
		if (!data)
			return;
		review(s, now);
		if (f->encoder == NULL)
			return;
		f->first = (uint32_t)s->tx_pn;
		f->began = now;
	}
	if (fec_encoder_add(f->encoder, plain, len) == 0)
		fec_encoder_reset(f->encoder);
	else if (fec_encoder_count(f->encoder) == f->k)
		f->left = f->m;
}

bool
session_fec_due(const struct session *s)
{
	return s->fec_sends && s->fec->left > 0;
}

size_t
session_fec_put(struct session *s, uint8_t *body, size_t cap, uint64_t now)
{
	struct session_fec *f = s->fec;
	unsigned i = f->m - f->left--;
	struct wire_frame frame = { .type = WIRE_PARITY, .sn = f->first };
	struct wire_writer w;
	size_t len;

	frame.group_k = f->k;
	frame.group_n = (uint8_t)fec_encoder_count(f->encoder);
	frame.group_m = f->m;
	frame.group_i = (uint8_t)i;
	frame.data = fec_encoder_parity(f->encoder, i, &len);
	frame.len = (uint32_t)len;
	wire_writer_init(&w, WIRE_SESSION, 0, body, cap);
	wire_writer_stamp(&w, 0, 0, (uint32_t)now);
	len = wire_put(&w, &frame) ? w.len : 0;
	if (len > 0)
		kcp_spend(s->kcp, len + SESSION_HEADER_LEN, now);
	if (f->left == 0)
		fec_encoder_reset(f->encoder);
	return len;
}

/* --- what is received --- */

void
session_fec_received(struct session *s, uint64_t pn, const uint8_t *plain, size_t len)
{
	if (s->fec == NULL || s->fec->decoder == NULL || wire_is_parity(plain, len))
		return;
	(void)fec_decoder_put_data(s->fec->decoder, (uint32_t)pn, plain, len);
}

static void
note_group(struct session_fec *f, const struct fec_group *g)
{
	for (unsigned i = 0; i < GROUPS; i++)
		if (f->groups[i].first == g->first && f->groups[i].k == g->k && f->groups[i].n == g->n && f->groups[i].m == g->m)
			return;
	f->groups[f->next_group++ % GROUPS] = *g;
}

void
session_fec_parity(struct session *s, const struct wire_frame *frame)
{
	struct fec_group g = { frame->sn, frame->group_k, frame->group_n, frame->group_m };
	struct session_fec *f = s->fec;

	if (frame->group_i >= g.m || g.n == 0)
		return;
	/* A side that protects nothing itself still takes what the peer sends. */
	if (f == NULL && (f = s->fec = mem_alloc(s->endpoint->mem, sizeof(*f))) == NULL)
		return;
	if (f->decoder == NULL && (f->decoder = fec_decoder_new(s->endpoint->mem)) == NULL)
		return;
	if (fec_decoder_put_parity(f->decoder, g.first + g.n + frame->group_i, frame->data, frame->len) == 0)
		note_group(f, &g);
}

const uint8_t *
session_fec_restored(struct session *s, uint32_t *pn, size_t *len)
{
	struct session_fec *f = s->fec;

	if (f == NULL || f->decoder == NULL)
		return NULL;
	for (unsigned i = 0; f->nrestored == 0 && i < GROUPS; i++) {
		int n = f->groups[i].k != 0 ? fec_decoder_restore(f->decoder, &f->groups[i], f->restored) : 0;

		f->nrestored = n > 0 ? (unsigned)n : 0;
	}
	if (f->nrestored == 0)
		return NULL;
	*pn = f->restored[--f->nrestored];
	f->count++;
	return fec_decoder_get(f->decoder, *pn, len);
}

uint64_t
session_fec_count(const struct session *s)
{
	return s->fec != NULL ? s->fec->count : 0;
}

/* --- plain wire: the layout of kcp-go --- */

static void
plain_header(uint8_t *buf, uint32_t number, unsigned kind)
{
	bytes_put32(buf, number);
	bytes_put16(buf + 4, (uint16_t)kind);
}

/* Numbers go up to a multiple of the period. Without memory there is no parity; its numbers stay free. */
static void
plain_next(struct session_fec *f)
{
	uint32_t period = (uint32_t)f->k + f->m, wrap = UINT32_MAX / period * period;

	f->first = (f->first + 1) % wrap;
	if (f->encoder == NULL && f->first % period == f->k)
		f->first = (f->first + f->m) % wrap;
}

size_t
session_fec_plain_frame(struct session *s, uint8_t *buf, size_t len)
{
	struct session_fec *f = s->fec;

	if (f->encoder == NULL && f->first % ((uint32_t)f->k + f->m) == 0)
		f->encoder = new_encoder(s);
	plain_header(buf, f->first, PLAIN_DATA);
	bytes_put16(buf + 6, (uint16_t)(len + FEC_SIZE_LEN));
	if (f->encoder != NULL && fec_encoder_add(f->encoder, buf + SESSION_FEC_PLAIN_HEADER, len) == f->k)
		f->left = f->m;
	plain_next(f);
	return len + SESSION_FEC_PLAIN_HEADER;
}

size_t
session_fec_plain_parity(struct session *s, uint8_t *buf, uint64_t now)
{
	struct session_fec *f = s->fec;
	const uint8_t *parity;
	size_t len;

	parity = fec_encoder_parity(f->encoder, f->m - f->left--, &len);
	plain_header(buf, f->first, PLAIN_PARITY);
	memcpy(buf + 6, parity, len);
	kcp_spend(s->kcp, len + 6, now);
	if (f->left == 0)
		fec_encoder_reset(f->encoder);
	plain_next(f);
	return len + 6;
}

bool
session_fec_plain_read(const uint8_t *d, size_t len, const uint8_t **kcp, size_t *kcp_len)
{
	size_t size;

	*kcp = NULL;
	*kcp_len = 0;
	if (len < SESSION_FEC_PLAIN_HEADER)
		return false;
	if (bytes_get16(d + 4) == PLAIN_PARITY)
		return true;
	size = bytes_get16(d + 6);
	if (bytes_get16(d + 4) != PLAIN_DATA || size < FEC_SIZE_LEN || size > len - 6)
		return false;
	*kcp = d + SESSION_FEC_PLAIN_HEADER;
	*kcp_len = size - FEC_SIZE_LEN;
	return true;
}

void
session_fec_plain_received(struct session *s, const uint8_t *d, size_t len)
{
	struct session_fec *f = s->fec;
	uint32_t number = bytes_get32(d), period = (uint32_t)f->k + f->m;
	struct fec_group g = { number - number % period, f->k, f->k, f->m };

	if (f->decoder == NULL && (f->decoder = fec_decoder_new(s->endpoint->mem)) == NULL)
		return;
	if (bytes_get16(d + 4) == PLAIN_DATA) {
		(void)fec_decoder_put_data(f->decoder, number, d + SESSION_FEC_PLAIN_HEADER, bytes_get16(d + 6) - FEC_SIZE_LEN);
	} else if (number % period >= f->k) {
		(void)fec_decoder_put_parity(f->decoder, number, d + 6, len - 6);
		note_group(f, &g);
	}
}
