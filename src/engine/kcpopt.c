#include "kcpopt.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <kcpshim.h>

#include "../core/session.h"
#include "options.h"
#include "relay.h"

#define INTERVAL_MIN_MS 10
#define INTERVAL_MAX_MS 5000
#define RESEND_MAX 255
#define WINDOW_MAX 65535

static const char *const cc_names[] = { [KCP_CC_AUTO] = "auto", [KCP_CC_KCP] = "kcp", [KCP_CC_NONE] = "none" };

static struct kcp *
kcp_of(const struct conn *c)
{
	return c != NULL && c->session != NULL ? session_kcp(c->session) : NULL;
}

/* Each setter checks its value; with k == NULL it does no more than that. 0 or positive errno. */

static int
set_nodelay(struct session *s, struct kcp *k, const void *value, uint64_t now)
{
	const struct kcp_config *cfg;
	struct kcpshim_nodelay v;

	memcpy(&v, value, sizeof(v));
	if (v.nodelay > 1 || v.nc > 1 || v.resend > RESEND_MAX ||
	    (v.interval >= 0 && (v.interval < INTERVAL_MIN_MS || v.interval > INTERVAL_MAX_MS)))
		return EINVAL;
	if (k == NULL)
		return 0;
	cfg = kcp_get_config(k);
	if (kcp_set_nodelay(k, v.nodelay < 0 ? cfg->nodelay : v.nodelay != 0,
	    v.interval < 0 ? cfg->interval_us : (uint32_t)v.interval * 1000u,
	    v.resend < 0 ? cfg->resend : (uint32_t)v.resend, now) != 0)
		return EINVAL;
	if (v.nc >= 0 && kcp_set_cc(k, v.nc ? KCP_CC_NONE : KCP_CC_KCP, cfg->rate, now) != 0)
		return EINVAL;
	return 0;
}

static int
set_wndsize(struct session *s, struct kcp *k, const void *value, uint64_t now)
{
	const struct kcp_config *cfg;
	struct kcpshim_wndsize v;

	memcpy(&v, value, sizeof(v));
	if (v.send < 0 || v.send > WINDOW_MAX || v.receive < 0 || v.receive > WINDOW_MAX)
		return EINVAL;
	if (k == NULL)
		return 0;
	cfg = kcp_get_config(k);
	return kcp_set_wndsize(k, v.send == 0 ? cfg->snd_wnd : (uint32_t)v.send,
	    v.receive == 0 ? cfg->rcv_wnd : (uint32_t)v.receive, now) == 0 ? 0 : EINVAL;
}

static int
set_mtu(struct session *s, struct kcp *k, const void *value, uint64_t now)
{
	int32_t v;

	memcpy(&v, value, sizeof(v));
	if (v < 100 || v > 65000)
		return EINVAL;
	return k == NULL || session_set_mtu(s, (uint32_t)v, now) == 0 ? 0 : EINVAL;
}

static int
set_stream(struct session *s, struct kcp *k, const void *value, uint64_t now)
{
	int32_t v;

	memcpy(&v, value, sizeof(v));
	if (v < 0 || v > 1)
		return EINVAL;
	if (k != NULL && v == 0 && kcp_get_config(k)->codec != WIRE_PLAIN)
		return EINVAL;
	if (k != NULL)
		kcp_set_stream(k, v != 0);
	return 0;
}

/* `value` ends with a NUL. */
static int
set_cc(struct session *s, struct kcp *k, const void *value, uint64_t now)
{
	for (size_t i = 0; i < sizeof(cc_names) / sizeof(cc_names[0]); i++)
		if (strcmp(value, cc_names[i]) == 0)
			return k == NULL || kcp_set_cc(k, (enum kcp_cc)i, kcp_get_config(k)->rate, now) == 0 ? 0 : EINVAL;
	return ENOENT; /* as TCP_CONGESTION says */
}

static const struct kcpopt {
	size_t len;             /* 0: text */
	int (*set)(struct session *, struct kcp *, const void *value, uint64_t now);
} kcpopts[] = {
	[KCP_NODELAY] = { sizeof(struct kcpshim_nodelay), set_nodelay },
	[KCP_WNDSIZE] = { sizeof(struct kcpshim_wndsize), set_wndsize },
	[KCP_MTU] = { sizeof(int32_t), set_mtu },
	[KCP_STREAM] = { sizeof(int32_t), set_stream },
	[KCP_CC] = { 0, set_cc },
};
#define KCPOPT_COUNT (int)(sizeof(kcpopts) / sizeof(kcpopts[0]))

int
kcpopt_set(struct loop *l, struct conn *c, struct options *o, int name, const void *value, size_t len)
{
	char text[16] = "";
	struct kcp *k = kcp_of(c);
	int error;

	if (name < 1 || name >= KCPOPT_COUNT)
		return ENOPROTOOPT;
	if (kcpopts[name].len == 0) {
		if (len == 0 || len >= sizeof(text))
			return len == 0 ? EINVAL : ENOENT;
		memcpy(text, value, len);
		value = text;
		len = sizeof(text);
	} else if (len < kcpopts[name].len)
		return EINVAL;
	else
		len = kcpopts[name].len;
	if ((error = kcpopts[name].set(c != NULL ? c->session : NULL, k, value, l->now)) != 0)
		return error;
	return options_keep(l->mem, o, SOL_KCP, name, value, len);
}

void
kcpopt_apply(struct loop *l, struct conn *c)
{
	struct kcp *k = kcp_of(c);

	for (unsigned i = 0; k != NULL && i < c->options.count; i++) {
		const struct option *e = &c->options.list[i];

		if (e->level == SOL_KCP)
			(void)kcpopts[e->name].set(c->session, k, e->value, l->now);
	}
}

/* What is in force, into buf; its length. */
static size_t
kcpopt_read(const struct conn *c, const struct kcp *k, int name, uint8_t buf[OPTIONS_LEN_MAX])
{
	const struct kcp_config *cfg = kcp_get_config(k);
	struct kcpshim_nodelay nd = { cfg->nodelay, (int32_t)(cfg->interval_us / 1000u), (int32_t)cfg->resend,
		cfg->cc == KCP_CC_NONE };
	struct kcpshim_wndsize wnd = { (int32_t)cfg->snd_wnd, (int32_t)cfg->rcv_wnd };
	struct session_info si;
	int32_t number = cfg->stream;

	switch (name) {
	case KCP_NODELAY:
		memcpy(buf, &nd, sizeof(nd));
		break;
	case KCP_WNDSIZE:
		memcpy(buf, &wnd, sizeof(wnd));
		break;
	case KCP_CC:
		memset(buf, 0, 16);
		memcpy(buf, cc_names[cfg->cc], strlen(cc_names[cfg->cc]));
		return 16;
	case KCP_MTU:
		session_get_info(c->session, &si);
		number = (int32_t)si.mtu;
		/* fall through */
	default:
		memcpy(buf, &number, sizeof(number));
	}
	return kcpopts[name].len;
}

int
kcpopt_get(const struct conn *c, const struct options *o, int name, void *value, size_t *len)
{
	const struct kcp *k = kcp_of(c);
	uint8_t buf[OPTIONS_LEN_MAX];
	size_t have = 0;

	if (name < 1 || name >= KCPOPT_COUNT)
		return ENOPROTOOPT;
	if (k != NULL)
		have = kcpopt_read(c, k, name, buf);
	for (unsigned i = 0; k == NULL && i < o->count; i++)
		if (o->list[i].level == SOL_KCP && o->list[i].name == name)
			memcpy(buf, o->list[i].value, have = o->list[i].len);
	if (have == 0)
		return ENOTCONN;
	if (*len > have)
		*len = have;
	memcpy(value, buf, *len);
	return 0;
}
