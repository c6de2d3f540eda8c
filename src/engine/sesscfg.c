#include "sesscfg.h"

#include <errno.h>
#include <stdbool.h>

#include "keyring.h"

/* What a program may write ahead of the peer's acknowledgements, bytes; as Linux caps TCP's own send buffer (tcp_wmem), and
 * enough for 100 Mbit/s over 240 ms. Less would slow long paths, more only lets a writer run ahead. */
#define SESSCFG_SEND_BUFFER (3u << 20)
#define SESSCFG_KEEPALIVE_S 25u

/* Segments that the windows grow to where the path is that long and the reader that fast: 11 MB, 100 Mbit/s over 250 ms with losses. */
#define SESSCFG_WINDOW_MAX 8192u

static bool
sesscfg_has(const struct rules_options *o, enum rules_option opt)
{
	return (o->set & (1u << opt)) != 0;
}

/* nodelay, interval (ms), resend, nc: the modes that users of KCP know by name. */
static const struct sesscfg_mode {
	bool nodelay;
	uint32_t interval, resend;
	bool nc;
} sesscfg_modes[] = {
	[RULES_MODE_NORMAL] = { false, 40, 2, true },
	[RULES_MODE_FAST] = { false, 30, 2, true },
	[RULES_MODE_FAST2] = { true, 20, 2, true },
	[RULES_MODE_FAST3] = { true, 10, 2, true },
	[RULES_MODE_AIOKCP] = { true, 100, 2, false },
};

static void
sesscfg_mode(struct session_config *cfg, enum rules_mode mode)
{
	const struct sesscfg_mode *m = &sesscfg_modes[mode];

	if (mode == RULES_MODE_AUTO)
		return;
	cfg->kcp.nodelay = m->nodelay;
	cfg->kcp.interval_us = m->interval * 1000u;
	cfg->kcp.resend = m->resend;
	cfg->kcp.cc = m->nc ? KCP_CC_NONE : KCP_CC_KCP;
	if (mode == RULES_MODE_AIOKCP) {
		cfg->mtu = 1400;
		cfg->kcp.snd_wnd = 32;
		cfg->kcp.rcv_wnd = 128;
		cfg->kcp.stream = false;
		cfg->idle_timeout_us = 600ull * 1000000u;
	}
}

static void
sesscfg_numbers(struct session_config *cfg, const struct rules_options *o)
{
	static const enum kcp_cc cc[] = { [RULES_CC_AUTO] = KCP_CC_AUTO, [RULES_CC_KCP] = KCP_CC_KCP, [RULES_CC_NONE] = KCP_CC_NONE };

	if (sesscfg_has(o, RULES_OPT_NO_DELAY))
		cfg->kcp.nodelay = o->no_delay;
	if (sesscfg_has(o, RULES_OPT_UPDATE_INTERVAL))
		cfg->kcp.interval_us = o->update_interval * 1000u;
	if (sesscfg_has(o, RULES_OPT_RESEND_COUNT))
		cfg->kcp.resend = o->resend_count;
	if (sesscfg_has(o, RULES_OPT_NO_CONGESTION_CONTROL))
		cfg->kcp.cc = o->no_congestion_control ? KCP_CC_NONE : KCP_CC_KCP;
	if (sesscfg_has(o, RULES_OPT_CC))
		cfg->kcp.cc = cc[o->cc];
	if (sesscfg_has(o, RULES_OPT_RATE))
		cfg->kcp.rate = o->rate;
	if (sesscfg_has(o, RULES_OPT_SEND_WINDOW_SIZE)) {
		cfg->kcp.snd_wnd = o->send_window_size;
		cfg->kcp.snd_buf = 0; /* the window says it all */
	}
	if (sesscfg_has(o, RULES_OPT_RECEIVE_WINDOW_SIZE))
		cfg->kcp.rcv_wnd = o->receive_window_size;
	if (sesscfg_has(o, RULES_OPT_MAX_TRANSMISSION))
		cfg->mtu = o->max_transmission;
	if (sesscfg_has(o, RULES_OPT_STREAM))
		cfg->kcp.stream = o->stream;
	if (sesscfg_has(o, RULES_OPT_REDUNDANCY))
		cfg->kcp.redundancy = o->redundancy;
	if (sesscfg_has(o, RULES_OPT_FEC)) {
		static const uint8_t fec[] = {
			[RULES_FEC_OFF] = SESSION_FEC_OFF, [RULES_FEC_AUTO] = SESSION_FEC_AUTO, [RULES_FEC_FIXED] = SESSION_FEC_FIXED,
		};

		cfg->fec = fec[o->fec];
		cfg->fec_data = o->fec_data;
		cfg->fec_parity = o->fec_parity;
	}
	if (sesscfg_has(o, RULES_OPT_ECN))
		cfg->ecn = o->ecn;
	if (sesscfg_has(o, RULES_OPT_OPEN))
		cfg->open_empty_push = o->open_empty_push;
	if (sesscfg_has(o, RULES_OPT_TIMEOUT))
		cfg->idle_timeout_us = o->timeout * 1000000ull;
	if (sesscfg_has(o, RULES_OPT_HANDSHAKES))
		cfg->handshakes = o->handshakes;
	/* UDP state in middleboxes is short-lived (RFC 4787 REQ-5), and a peer whose process was killed says nothing unless it is asked. */
	cfg->keep_idle_us = cfg->keep_interval_us = SESSCFG_KEEPALIVE_S * 1000000ull;
	cfg->keep_count = SESSION_KEEP_FOREVER;
	if (sesscfg_has(o, RULES_OPT_KEEPALIVE))
		cfg->keep_idle_us = cfg->keep_interval_us = o->keepalive * 1000000ull;
}

/* Windows that nobody asked for follow the path. Without congestion control the send window is all that holds a flow back. */
static void
sesscfg_windows(struct session_config *cfg, const struct rules_options *o)
{
	if (cfg->kcp.cc != KCP_CC_AUTO || (sesscfg_has(o, RULES_OPT_MODE) && o->mode == RULES_MODE_AIOKCP))
		return;
	if (!sesscfg_has(o, RULES_OPT_SEND_WINDOW_SIZE))
		cfg->kcp.snd_wnd = SESSCFG_WINDOW_MAX;
	if (!sesscfg_has(o, RULES_OPT_RECEIVE_WINDOW_SIZE))
		cfg->kcp.rcv_wnd_max = SESSCFG_WINDOW_MAX;
}

void
sesscfg_from_options(struct session_config *cfg, const struct rules_options *o)
{
	static const uint8_t crypto[] = {
		[RULES_CRYPTO_AUTO] = SESSION_CRYPTO_AUTO, [RULES_CRYPTO_NONE] = SESSION_CRYPTO_NONE,
		[RULES_CRYPTO_AEAD] = SESSION_CRYPTO_AEAD, [RULES_CRYPTO_AES_CBC] = SESSION_CRYPTO_AES_CBC,
		[RULES_CRYPTO_PLUGIN] = SESSION_CRYPTO_PLUGIN,
	};
	bool plain = sesscfg_has(o, RULES_OPT_WIRE) && o->wire == RULES_WIRE_PLAIN;

	session_config_default(cfg);
	cfg->plain = plain;
	kcp_config_default(&cfg->kcp, plain ? WIRE_PLAIN : WIRE_SESSION);
	cfg->kcp.snd_buf = SESSCFG_SEND_BUFFER;
	cfg->mtu = SESSION_MTU_JUMBO;
	if (plain)
		cfg->idle_timeout_us = 600ull * 1000000u;
	if (sesscfg_has(o, RULES_OPT_CRYPTO))
		cfg->crypto = crypto[o->crypto];
	if (sesscfg_has(o, RULES_OPT_MODE))
		sesscfg_mode(cfg, o->mode);
	sesscfg_numbers(cfg, o);
	sesscfg_windows(cfg, o);
}

int
sesscfg_make(struct loop *l, const struct rules_options *o, struct session_config *cfg)
{
	struct session_keys *keys;

	sesscfg_from_options(cfg, o);
	if (keyring_get(l, o, &keys) != 0)
		return EACCES;
	cfg->keys = keys;
	return 0;
}
