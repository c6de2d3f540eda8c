#include "cmsg.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "real.h"

/* The kernel copies the data in before anything else; only it can tell whether that memory is there. */
static bool
is_readable(const struct msghdr *msg, int domain)
{
	struct msghdr probe = { .msg_control = msg->msg_control, .msg_controllen = msg->msg_controllen };
	int scratch = socket(domain, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
	bool readable = true;

	if (scratch < 0)
		return true;
	if (real()->sendmsg(scratch, &probe, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		readable = errno != EFAULT;
	real_dispose(scratch);
	return readable;
}

static int
judge_one(const struct cmsghdr *c)
{
	if (c->cmsg_level != SOL_SOCKET)
		return 0;
	switch (c->cmsg_type) {
	case SCM_RIGHTS:
	case SCM_CREDENTIALS:
		return 0;
	case SO_MARK:
	case SO_PRIORITY:
	case SO_TIMESTAMPING:
		return c->cmsg_len == CMSG_LEN(sizeof(uint32_t)) ? 0 : EINVAL;
	default:
		return EINVAL;
	}
}

int
cmsg_judge(const struct msghdr *msg, int domain)
{
	const char *at = msg->msg_control, *end = at + msg->msg_controllen;

	if (msg->msg_controllen == 0)
		return 0;
	if (!is_readable(msg, domain))
		return EFAULT;
	while ((size_t)(end - at) >= sizeof(struct cmsghdr)) {
		const struct cmsghdr *c = (const struct cmsghdr *)at;
		int error;

		if (c->cmsg_len < sizeof(*c) || c->cmsg_len > (size_t)(end - at))
			return EINVAL;
		if ((error = judge_one(c)) != 0)
			return error;
		if (CMSG_ALIGN(c->cmsg_len) >= (size_t)(end - at))
			break;
		at += CMSG_ALIGN(c->cmsg_len);
	}
	return 0;
}
