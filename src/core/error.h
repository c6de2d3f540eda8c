/* error: the codes that core functions return. errno exists only at the shim's edge. */
#ifndef KCPSHIM_ERROR_H
#define KCPSHIM_ERROR_H

enum kcpshim_error {
	KCPSHIM_OK = 0,
	KCPSHIM_E_NOMEM = -1,       /* memory cap reached or the system refused */
	KCPSHIM_E_SHORT = -2,       /* input ends before its header or payload does */
	KCPSHIM_E_FORMAT = -3,      /* a field has a value the format does not allow */
	KCPSHIM_E_VERSION = -4,     /* a version this build does not speak */
	KCPSHIM_E_AUTH = -5,        /* tag, checksum, key id or cookie does not verify */
	KCPSHIM_E_REPLAY = -6,      /* packet number or first flight seen before */
	KCPSHIM_E_UNKNOWN = -7,     /* no session, listener or key of that name */
	KCPSHIM_E_FULL = -8,        /* accept queue, window or table full */
	KCPSHIM_E_STATE = -9,       /* not allowed in the present state */
	KCPSHIM_E_RANGE = -10,      /* argument outside its documented range */
	/* why a session ended */
	KCPSHIM_E_REFUSED = -20,    /* nobody listens there (ICMP port unreachable) */
	KCPSHIM_E_TIMEDOUT = -21,   /* no answer within the connect or user timeout */
	KCPSHIM_E_RESET = -22,      /* the peer, or the local program, reset the session */
	KCPSHIM_E_HOSTUNREACH = -23,
	KCPSHIM_E_NETUNREACH = -24,
};

/* A short lower-case text for `code` ("timed out"); never NULL. Static storage. */
const char *kcpshim_strerror(int code);

#endif
