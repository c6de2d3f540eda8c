/* fuzz_control: requests to an engine's control socket, of programs gone mad: any operation, with any descriptor, in any order.
 *
 * Input, again and again: operation (1 byte; 255: raw bytes follow, length 1), descriptor (1), number (1), flags (1), address and
 * port (1), level (1), option (2), length of the option (1), option. What the engine gave is used in later requests. Requests that
 * would fork are left out, and addresses stay on the loopback interface.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/rules.h"
#include "engine/config.h"
#include "engine/ctlproto.h"
#include "engine/ident.h"
#include "engine/log.h"
#include "engine/loop.h"
#include "fuzz.h"

#define ENGINE_ID 0x1234u
#define ENDS 6
#define FD_MANY 700         /* far more than one input can leave behind */
#define FD_WAITS 90         /* of 100 ms */
#define TURNS 3

static struct config config;
static struct loop loop;
static struct source stopper;
static int turns;
static struct sockaddr_un address;
static socklen_t address_len;
static int ends[ENDS], clients[ENDS];
static unsigned next_end, next_client;

struct input {
	const uint8_t *p;
	size_t len;
};

static uint8_t
take(struct input *in)
{
	if (in->len == 0)
		return 0;
	in->len--;
	return *in->p++;
}

static void
stopper_ready(struct loop *l, struct source *src, uint32_t events)
{
	uint64_t one = 1;

	if (--turns <= 0)
		l->quit = true;
	else
		FUZZ_CHECK(write(src->fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
}

/* The loop runs a few turns and does not sleep. */
static void
run(void)
{
	uint64_t value = 1;

	turns = TURNS;
	loop.quit = false;
	FUZZ_CHECK(write(stopper.fd, &value, sizeof(value)) == (ssize_t)sizeof(value));
	loop_run(&loop);
	FUZZ_CHECK(read(stopper.fd, &value, sizeof(value)) == (ssize_t)sizeof(value));
}

static void
setup(void)
{
	char err[RULES_ERRLEN];
	int ctl = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	FUZZ_CHECK(rules_parse_ports(&config.rules, "fuzz", "1-65535", err) == 0);
	config.active = true;
	config.threads = 1;
	config.log_level = CONFIG_LOG_NONE;
	log_init(CONFIG_LOG_NONE, -1, "fuzz");
	address_len = ident_engine_name(ENGINE_ID + (uint64_t)getpid() * 65536, &address);
	FUZZ_CHECK(bind(ctl, (struct sockaddr *)&address, address_len) == 0 && listen(ctl, 16) == 0);
	FUZZ_CHECK(loop_init(&loop, &config, ENGINE_ID, ctl) == 0);
	stopper.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	stopper.ready = stopper_ready;
	FUZZ_CHECK(loop_add(&loop, &stopper, 1 /* EPOLLIN */) == 0);
	memset(ends, -1, sizeof(ends));
	memset(clients, -1, sizeof(clients));
}

static void
put(int *slots, unsigned *next, int fd)
{
	int *slot = &slots[(*next)++ % ENDS];

	if (*slot >= 0)
		close(*slot);
	*slot = fd;
}

static int
bound_socket(int domain, int type, uint8_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)(20000 + port)), .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)(20000 + port)), .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(domain, type | SOCK_CLOEXEC, 0);

	if (fd >= 0 && port >= 128)
		(void)!bind(fd, domain == AF_INET ? (struct sockaddr *)&sin : (struct sockaddr *)&sin6, domain == AF_INET ? sizeof(sin) : sizeof(sin6));
	return fd;
}

/* A descriptor to go with a request, owned by the caller, or -1. */
static int
pick_descriptor(uint8_t kind, uint8_t port)
{
	int p[2];

	switch (kind % 12) {
	case 0:
		return -1;
	case 1:
	case 2:
	case 3:
		return bound_socket(AF_INET, SOCK_STREAM, port);
	case 4:
		return bound_socket(AF_INET6, SOCK_STREAM, port);
	case 5:
		return bound_socket(AF_INET, SOCK_DGRAM, port);
	case 6:
		if (pipe(p) != 0)
			return -1;
		close(p[1]);
		return p[0];
	default:
		return ends[kind % ENDS] < 0 ? -1 : fcntl(ends[kind % ENDS], F_DUPFD_CLOEXEC, 0);
	}
}

/* The number that a descriptor of the engine carries. */
static uint32_t
number_of(int fd)
{
	struct sockaddr_un un;
	socklen_t len = sizeof(un);
	struct ident ident;

	if (fd < 0 || getpeername(fd, (struct sockaddr *)&un, &len) != 0 || un.sun_family != AF_UNIX || !ident_parse(&ident, &un, len))
		return 0;
	return ident.id;
}

static void
send_request(int client, const void *data, size_t len, int fd)
{
	union { char buf[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control = { { 0 } };
	struct iovec iov = { (void *)(uintptr_t)data, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		struct cmsghdr *cm = (struct cmsghdr *)&control;

		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cm), &fd, sizeof(int));
	}
	(void)sendmsg(client, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void
read_replies(int client)
{
	union { struct ctl_reply reply; struct ctl_status status; } u;
	union { char buf[CMSG_SPACE(4 * sizeof(int))]; struct cmsghdr align; } control;
	ssize_t n;

	do {
		struct iovec iov = { &u, sizeof(u) };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
		struct cmsghdr *cm;
		int fd;

		n = recvmsg(client, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n <= 0)
			break;
		FUZZ_CHECK(n == (ssize_t)sizeof(struct ctl_reply) || n == (ssize_t)sizeof(struct ctl_status));
		FUZZ_CHECK(u.reply.magic == CTL_MAGIC && u.reply.version == CTL_VERSION);
		if (n == (ssize_t)sizeof(struct ctl_reply))
			FUZZ_CHECK(u.reply.error >= 0 && u.reply.optlen <= CTL_OPTLEN_MAX);
		if ((cm = CMSG_FIRSTHDR(&m)) != NULL && cm->cmsg_level == SOL_SOCKET && cm->cmsg_type == SCM_RIGHTS) {
			memcpy(&fd, CMSG_DATA(cm), sizeof(fd));
			FUZZ_CHECK(fcntl(fd, F_GETFD) >= 0);
			put(ends, &next_end, fd);
		}
	} while (n > 0);
}

static void
fill_request(struct ctl_request *q, uint8_t op, int fd, struct input *in)
{
	static const int levels[] = { SOL_SOCKET, IPPROTO_IP, IPPROTO_TCP, IPPROTO_IPV6, 0, -1, 0x4b43 };
	uint8_t number = take(in), place;

	memset(q, 0, sizeof(*q));
	q->magic = CTL_MAGIC;
	q->version = CTL_VERSION;
	q->op = op % (CTL_SYNC + 2);
	q->id = number < 200 ? number_of(fd) : number < 230 ? number_of(ends[number % ENDS]) : number;
	q->flags = take(in);
	place = take(in);
	q->addr.family = (uint8_t)(place % 16 == 15 ? 6 : place % 16 == 14 ? 9 : 4);
	memcpy(q->addr.ip, q->addr.family == 6 ? (const uint8_t[16]){ [15] = 1 } : (const uint8_t[16]){ 127, 0, 0, 1 }, 16);
	q->addr.port = (uint16_t)(20000 + place);
	q->backlog = (int8_t)place;
	q->timeout_ms = place;
	q->level = levels[take(in) % (sizeof(levels) / sizeof(levels[0]))];
	q->optname = take(in);
	q->optname |= take(in) << 8;
	q->optlen = take(in);
	if (q->optlen == 255)
		q->optlen = UINT32_MAX;
	else if (q->optlen == 254)
		q->optlen = CTL_OPTLEN_MAX + 1;
	for (uint32_t i = 0; i < q->optlen && i < CTL_OPTLEN_MAX; i++)
		q->opt[i] = take(in);
	memcpy(q->name, q->opt, sizeof(q->name));
}

static void
one_request(struct input *in)
{
	uint8_t op = take(in), raw[1024];
	struct ctl_request q;
	size_t len = sizeof(q);
	int client, fd = -1;

	if (op % 16 == 15) {
		/* On a connection that waits for an answer, or one that is over. */
		client = clients[op / 16 % ENDS];
		op = CTL_CONNECT_DETACH;
	} else {
		client = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (client < 0 || connect(client, (struct sockaddr *)&address, address_len) != 0) {
			if (client >= 0)
				close(client);
			return;
		}
		put(clients, &next_client, client);
	}
	if (op == 254) {
		for (len = 0; len < take(in) * 4u && len < sizeof(raw); len++)
			raw[len] = take(in);
		send_request(client, raw, len, -1);
	} else {
		uint8_t kind = take(in);

		fd = pick_descriptor(kind, in->len > 2 ? in->p[2] : 0);
		fill_request(&q, op, fd, in);
		if (q.op != CTL_MIGRATE)
			send_request(client, &q, len, fd);
	}
	if (fd >= 0)
		close(fd);
	run();
	for (int i = 0; i < ENDS; i++)
		if (clients[i] >= 0)
			read_replies(clients[i]);
}

/* Connections linger, and many inputs come in a second: what is left of them goes in time, but for a leak. */
static void
settle(void)
{
	int fd = -1;

	for (int i = 0; i < FD_WAITS; i++) {
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		FUZZ_CHECK(fd >= 0);
		close(fd);
		if (fd < FD_MANY)
			return;
		usleep(100000);
		run();
	}
	FUZZ_CHECK(fd < FD_MANY);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static bool ready;
	struct input in = { data, len < 600 ? len : 600 };

	if (!ready)
		setup();
	ready = true;
	while (in.len > 0)
		one_request(&in);
	for (int i = 0; i < ENDS; i++) {
		put(ends, &next_end, -1);
		put(clients, &next_client, -1);
	}
	run();
	settle();
	return 0;
}
