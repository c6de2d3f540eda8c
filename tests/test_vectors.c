/* Replays what real KCP implementations sent and did: tests/vectors. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <nettle/sha2.h>

#include "core/error.h"
#include "core/kcp_internal.h"
#include "json.h"
#include "kcppair.h"
#include "checkmain.h"

#define MS 1000u
#define OUT_MAX 200000u

/* What our side said in answer. */
struct said {
	uint32_t acks[512][2];
	unsigned nacks;
	bool wins;
	uint32_t una, wnd;      /* as last stamped */
};

struct peer {
	struct mem *mem;
	struct kcp *k;
	uint32_t conv;
	uint64_t now;
	uint8_t *bytes;         /* delivered */
	size_t nbytes;
};

/* A member that has to be there. */
static const struct json *
json_need(const struct json *object, const char *name)
{
	const struct json *j = json_get(object, name);

	ck_assert_msg(j != NULL, "no \"%s\"", name);
	return j;
}

static const struct json *
json_at(const struct json *array, size_t index)
{
	const struct json *j = array->child;

	while (j != NULL && index-- > 0)
		j = j->next;
	ck_assert_msg(j != NULL, "array too short");
	return j;
}

static uint32_t
json_u32(const struct json *j)
{
	return (uint32_t)(uint64_t)j->number;
}

/* Bytes of a hexadecimal string, malloc'ed. */
static uint8_t *
unhex(const struct json *j, size_t *len)
{
	size_t cap = strlen(j->string) / 2;
	uint8_t *out = malloc(cap + 1);
	long n = out != NULL ? hex_decode(j->string, out, cap) : -1;

	ck_assert_int_eq(n, (long)cap);
	*len = cap;
	return out;
}

static void
peer_init(struct peer *p, uint32_t conv, uint32_t mtu, uint32_t snd_wnd, uint32_t rcv_wnd, bool stream)
{
	struct kcp_config c;

	kcp_config_default(&c, WIRE_PLAIN);
	c.conv = conv;
	c.mtu = mtu;
	c.snd_wnd = snd_wnd;
	c.rcv_wnd = rcv_wnd;
	c.stream = stream;
	c.redundancy = false;
	memset(p, 0, sizeof(*p));
	p->mem = mem_new(0);
	p->conv = conv;
	p->k = kcp_new(p->mem, &c, 0);
	p->bytes = malloc(OUT_MAX);
	ck_assert(p->k != NULL && p->bytes != NULL);
}

static void
peer_dispose(struct peer *p)
{
	mem_destroy(p->mem);
	free(p->bytes);
}

static void
peer_read(struct peer *p)
{
	p->nbytes += kcppair_read(p->k, p->bytes + p->nbytes, OUT_MAX - p->nbytes, p->now);
	ck_assert_uint_lt(p->nbytes, OUT_MAX);
}

static void
listen_to(struct said *s, struct peer *p, const uint8_t *buf, size_t len)
{
	struct wire_reader r;
	struct wire_frame f;

	wire_reader_init(&r, WIRE_PLAIN, p->conv, buf, len);
	while (wire_next(&r, &f) > 0) {
		s->una = f.una;
		s->wnd = f.wnd;
		if (f.type == WIRE_WINS)
			s->wins = true;
		if (f.type != WIRE_ACK)
			continue;
		ck_assert_uint_lt(s->nacks, 512);
		s->acks[s->nacks][0] = f.sn;
		s->acks[s->nacks++][1] = f.ts;
	}
}

/* Everything that is due now. */
static void
peer_flush(struct peer *p, struct said *s)
{
	uint8_t buf[1500];
	struct wire_writer w;

	s->nacks = 0;
	s->wins = false;
	for (;;) {
		wire_writer_init(&w, WIRE_PLAIN, p->conv, buf, 1472);
		if (!kcp_output(p->k, &w, p->now))
			break;
		listen_to(s, p, buf, w.len);
	}
	wire_writer_init(&w, WIRE_PLAIN, p->conv, buf, 1472);
	kcp_stamp(p->k, &w, p->now);
	s->una = w.una;
	s->wnd = w.wnd < 65535 ? w.wnd : 65535;
}

/* --- segments.json --- */

static void
poke(struct peer *p, const struct json *step)
{
	p->k->rcv_nxt = p->k->rcv_read = json_u32(json_at(step, 1));
	p->k->adv_edge = p->k->promised = p->k->rcv_nxt + p->k->cfg.rcv_wnd;
	p->k->snd_una = p->k->wnd_una = json_u32(json_at(step, 2));
	p->k->snd_nxt = p->k->snd_end = p->k->rsv_end = p->k->snd_una;
}

static void
take_step(struct peer *p, const struct json *step)
{
	const char *what = json_at(step, 0)->string;
	struct said s;
	uint8_t *bytes;
	size_t len;

	if (strcmp(what, "update") == 0) {
		p->now = (uint64_t)json_u32(json_at(step, 1)) * MS;
		peer_flush(p, &s);
	} else if (strcmp(what, "recv_all") == 0) {
		peer_read(p);
	} else if (strcmp(what, "poke") == 0) {
		poke(p, step);
	} else {
		bytes = unhex(json_at(step, 1), &len);
		if (strcmp(what, "send") == 0)
			ck_assert_uint_eq(kcppair_write(p->k, bytes, len, p->now), len);
		else
			ck_assert_int_eq(kcppair_feed(p->k, WIRE_PLAIN, p->conv, bytes, len, p->now), 0);
		free(bytes);
	}
}

static int
ikcp_verdict(int rc, size_t len)
{
	if (len < WIRE_PLAIN_HEADER || rc == KCPSHIM_E_UNKNOWN)
		return -1;
	return rc == KCPSHIM_E_SHORT ? -2 : rc == KCPSHIM_E_FORMAT ? -3 : rc;
}

/* Appends one message of "readable": hex, or what stands for it. */
static size_t
readable_len(const struct json *m)
{
	return m->type == JSON_STRING ? strlen(m->string) / 2 : json_u32(json_need(m, "len"));
}

/* The messages ikcp would let read are the first bytes that we let read, and after an unfinished message there may be more. */
static void
check_readable(struct peer *p, const struct json *messages, int id)
{
	size_t at = 0;

	for (const struct json *m = messages->child; m != NULL; m = m->next) {
		size_t len = readable_len(m), n;

		ck_assert_msg(at + len <= p->nbytes, "case %d: %zu bytes delivered", id, p->nbytes);
		if (m->type == JSON_STRING) {
			uint8_t *bytes = unhex(m, &n);

			ck_assert_msg(memcmp(p->bytes + at, bytes, n) == 0, "case %d: other bytes", id);
			free(bytes);
		} else {
			struct sha256_ctx sha;
			uint8_t sum[32], *expect = unhex(json_need(m, "sha256"), &n);

			sha256_init(&sha);
			sha256_update(&sha, len, p->bytes + at);
			sha256_digest(&sha, sizeof(sum), sum);
			ck_assert_msg(memcmp(sum, expect, 32) == 0, "case %d: other bytes", id);
			free(expect);
		}
		at += len;
	}
}

static bool
waits(const struct json *setup, uint32_t sn)
{
	const struct json *w = json_need(setup, "waiting_sn")->child;

	while (w != NULL && json_u32(w) != sn)
		w = w->next;
	return w != NULL;
}

static void
check_state(struct peer *p, const struct json *ikcp, const struct json *setup, const struct said *s, int id)
{
	const struct json *before = json_need(setup, "state");
	const struct json *changed = json_need(ikcp, "changed"), *c;
	const struct json *acks = json_need(ikcp, "acks_due");
	struct kcp_info info;
	unsigned i = 0;

	kcp_get_info(p->k, &info);
	ck_assert_msg(s->nacks >= json_length(acks), "case %d: %u acks", id, s->nacks);
	for (const struct json *a = acks->child; a != NULL; a = a->next, i++)
		ck_assert_msg(s->acks[i][0] == json_u32(json_at(a, 0)) && s->acks[i][1] == json_u32(json_at(a, 1)), "case %d: ack %u", id, i);
	/* Ours may go on with what it said before the datagram and una does not cover. */
	for (; i < s->nacks; i++)
		ck_assert_msg(waits(setup, s->acks[i][0]), "case %d: acknowledged %u", id, s->acks[i][0]);
	ck_assert_msg(s->wins == (json_need(ikcp, "wins_due")->number != 0), "case %d: wins", id);
	c = json_get(changed, "rcv_nxt");
	ck_assert_msg(s->una == json_u32(c != NULL ? json_at(c, 1) : json_need(before, "rcv_nxt")), "case %d: una %u", id, s->una);
	c = json_get(changed, "rmt_wnd");
	/* ikcp counts the window from una; ours is less where single acknowledgements moved snd_una beyond it. */
	ck_assert_msg(info.rmt_wnd + (p->k->snd_una - p->k->wnd_una) == json_u32(c != NULL ? json_at(c, 1) : json_need(before, "rmt_wnd")),
	    "case %d: rmt_wnd %u", id, info.rmt_wnd);
	c = json_get(changed, "snd_una");
	ck_assert_msg(p->k->snd_una == json_u32(c != NULL ? json_at(c, 1) : json_need(before, "snd_una")), "case %d: snd_una", id);
	c = json_get(ikcp, "in_flight");
	if (c != NULL)
		ck_assert_msg(info.inflight == json_length(c), "case %d: %u in flight", id, info.inflight);
}

START_TEST(single_datagrams)
{
	struct json *file = json_load_vectors("segments.json");
	uint32_t conv = json_u32(json_need(file, "conv"));
	unsigned checked = 0;

	for (const struct json *c = json_need(file, "cases")->child; c != NULL; c = c->next) {
		const struct json *setup = json_need(json_need(file, "setups"), json_need(c, "setup")->string);
		const struct json *ikcp = json_need(c, "ikcp");
		int id = (int)json_need(c, "id")->number, rc;
		struct peer p;
		struct said s;
		size_t len;
		uint8_t *bytes = unhex(json_need(c, "datagram"), &len);

		peer_init(&p, conv, 1400, 32, 128, false);
		for (const struct json *step = json_need(setup, "steps")->child; step != NULL; step = step->next)
			take_step(&p, step);
		p.nbytes = 0;
		rc = kcppair_feed(p.k, WIRE_PLAIN, conv, bytes, len, p.now);
		free(bytes);
		ck_assert_msg(ikcp_verdict(rc, len) == (int)json_need(ikcp, "ret")->number, "case %d: verdict %d", id, rc);
		peer_flush(&p, &s);
		/* The one difference on purpose: ikcp believes a una beyond all it ever sent. */
		if (strcmp(json_need(c, "name")->string, "una 6, more than was sent") != 0)
			check_state(&p, ikcp, setup, &s, id);
		peer_read(&p);
		if (strcmp(json_need(c, "setup")->string, "rxfull") == 0)
			memmove(p.bytes, p.bytes + 128, p.nbytes -= 128);
		check_readable(&p, json_need(ikcp, "readable"), id);
		peer_dispose(&p);
		checked++;
	}
	ck_assert_uint_eq(checked, 124);
	json_free(file);
}
END_TEST

/* --- transcripts --- */

/* Bytes by the recording's rule: sha256(seed ':' n) one after the other. */
static uint8_t *
expand(const char *seed, size_t len)
{
	uint8_t *out = malloc(len + 32);

	ck_assert_ptr_nonnull(out);
	for (size_t at = 0, n = 0; at < len; at += 32, n++) {
		struct sha256_ctx sha;
		char text[300];
		int tl = snprintf(text, sizeof(text), "%s:%zu", seed, n);

		sha256_init(&sha);
		sha256_update(&sha, (size_t)tl, (const uint8_t *)text);
		sha256_digest(&sha, 32, out + at);
	}
	return out;
}

/* Which PUSH segments were fed, to judge the acknowledgements by. */
struct fed {
	uint32_t push[2048][2];
	unsigned n;
	uint32_t next_sn;
	bool have[2048];
};

static void
note_fed(struct fed *fed, uint32_t conv, const uint8_t *buf, size_t len)
{
	struct wire_reader r;
	struct wire_frame f;

	wire_reader_init(&r, WIRE_PLAIN, conv, buf, len);
	while (wire_next(&r, &f) > 0) {
		if (f.type != WIRE_DATA)
			continue;
		ck_assert(fed->n < 2048 && f.sn < 2048);
		fed->push[fed->n][0] = f.sn;
		fed->push[fed->n++][1] = f.ts;
		fed->have[f.sn] = true;
		while (fed->have[fed->next_sn])
			fed->next_sn++;
	}
}

static void
check_said(const struct said *s, const struct fed *fed, uint32_t rcv_wnd, const char *name)
{
	for (unsigned i = 0; i < s->nacks; i++) {
		unsigned j = 0;

		while (j < fed->n && (fed->push[j][0] != s->acks[i][0] || fed->push[j][1] != s->acks[i][1]))
			j++;
		ck_assert_msg(j < fed->n, "%s: acknowledged sn %u ts %u, which never came", name, s->acks[i][0], s->acks[i][1]);
	}
	ck_assert_msg(s->una <= fed->next_sn, "%s: una %u, next %u", name, s->una, fed->next_sn);
	ck_assert_msg(s->wnd <= rcv_wnd, "%s: window %u", name, s->wnd);
}

/* Plays the datagrams of `from` into a fresh receiver. */
static void
play(struct peer *p, struct fed *fed, const struct json *datagrams, const char *from, double pause_until, const char *name)
{
	struct said s;

	for (const struct json *d = datagrams->child; d != NULL; d = d->next) {
		const struct json *hex = json_need(d, "hex");
		uint64_t at = (uint64_t)(json_need(d, "t_ms")->number * MS);
		uint8_t *bytes;
		size_t len;

		if (strcmp(json_need(d, "from")->string, from) != 0 || strcmp(hex->string, "dropped") == 0)
			continue;
		p->now = at > p->now ? at : p->now;
		bytes = unhex(hex, &len);
		note_fed(fed, p->conv, bytes, len);
		ck_assert_int_eq(kcppair_feed(p->k, WIRE_PLAIN, p->conv, bytes, len, p->now), 0);
		free(bytes);
		if (json_need(d, "t_ms")->number >= pause_until)
			peer_read(p);
		peer_flush(p, &s);
		check_said(&s, fed, p->k->cfg.rcv_wnd, name);
	}
	peer_read(p);
	peer_flush(p, &s);
	check_said(&s, fed, p->k->cfg.rcv_wnd, name);
	ck_assert_msg(s.una == fed->next_sn, "%s: una %u at the end, %u came", name, s.una, fed->next_sn);
}

static void
replay_run(const struct json *run, const char *from, const char *to)
{
	const struct json *me = json_need(run, to), *pause = json_get(run, "read_pause_ms"), *written;
	double pause_until = pause != NULL && json_get(pause, to) != NULL ? json_at(json_get(pause, to), 1)->number : 0;
	const char *name = json_need(run, "name")->string;
	struct fed *fed = calloc(1, sizeof(*fed));
	char key[32];
	struct peer p;
	uint8_t *expect;
	size_t len;

	ck_assert_ptr_nonnull(fed);
	snprintf(key, sizeof(key), "written_by_%s", from);
	written = json_need(run, key);
	len = json_u32(json_need(written, "length"));
	expect = expand(json_need(written, "seed")->string, len);
	peer_init(&p, json_u32(json_need(run, "conv")), json_u32(json_need(me, "mtu")), json_u32(json_need(me, "snd_wnd")),
	    json_u32(json_need(me, "rcv_wnd")), json_need(me, "stream")->number != 0);
	play(&p, fed, json_need(run, "datagrams"), from, pause_until, name);
	ck_assert_msg(fed->next_sn == json_u32(json_need(json_need(json_need(run, "summary"), "next_sn"), from)), "%s: not all came", name);
	ck_assert_msg(p.nbytes == len && memcmp(p.bytes, expect, len) == 0, "%s from %s: %zu of %zu bytes, or others", name, from, p.nbytes, len);
	peer_dispose(&p);
	free(expect);
	free(fed);
}

START_TEST(ikcp_transcripts)
{
	struct json *file = json_load_vectors("ikcp-transcripts.json");
	unsigned n = 0;

	for (const struct json *run = json_need(file, "runs")->child; run != NULL; run = run->next, n++) {
		replay_run(run, "A", "B");
		if (json_get(run, "written_by_B") != NULL && json_get(run, "written_by_B")->type == JSON_OBJECT)
			replay_run(run, "B", "A");
	}
	ck_assert_uint_ge(n, 14);
	json_free(file);
}
END_TEST

static void
replay_session(const struct json *session, const char *from, const char *sent)
{
	const struct json *datagrams = json_need(session, "datagrams"), *content = json_need(session, sent);
	struct fed *fed = calloc(1, sizeof(*fed));
	struct sha256_ctx sha;
	struct peer p;
	uint8_t sum[32], *expect;
	size_t n;

	ck_assert_ptr_nonnull(fed);
	peer_init(&p, json_u32(json_at(json_at(json_need(datagrams->child, "segs"), 0), 0)), 1400, 32, 128, false);
	play(&p, fed, datagrams, from, 0, json_need(session, "name")->string);
	/* Where one side had closed, the other was made to send a little more, which the recording does not count. */
	n = json_u32(json_need(content, "length"));
	ck_assert_uint_ge(p.nbytes, n);
	ck_assert(p.nbytes == n || strstr(json_need(session, "name")->string, "-closes-") != NULL);
	sha256_init(&sha);
	sha256_update(&sha, n, p.bytes);
	sha256_digest(&sha, sizeof(sum), sum);
	expect = unhex(json_need(content, "sha256"), &n);
	ck_assert_msg(memcmp(sum, expect, 32) == 0, "%s: other bytes from the %s", json_need(session, "name")->string, from);
	free(expect);
	free(fed);
	peer_dispose(&p);
}

START_TEST(aiokcp_sessions)
{
	struct json *file = json_load_vectors("aiokcp-plain.json");
	unsigned n = 0;

	for (const struct json *s = json_need(file, "sessions")->child; s != NULL; s = s->next, n++) {
		replay_session(s, "client", "client_sent");
		replay_session(s, "server", "server_sent");
	}
	ck_assert_uint_ge(n, 12);
	json_free(file);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("vectors");

	tcase_add_test(t, single_datagrams);
	tcase_add_test(t, ikcp_transcripts);
	tcase_add_test(t, aiokcp_sessions);
	return check_main("vectors", t);
}
