/* linkem: an emulated link between two network namespaces, in user space.
 *
 * One TUN device in each namespace; what leaves one enters the other after linkem_model has decided its fate.
 * TUN without IFF_VNET_HDR offers no offload, so the kernel cuts GSO packets and fills in checksums before we read them.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "linkem_packet.h"
#include "linkem_spec.h"

/* Packets read from one device before the other device and the timer get their turn. */
#define READ_BATCH 64
/* The device's own queue; long, as the queue under test is the model's. */
#define DEVICE_QUEUE 20000
#define MTU_MIN 576
#define MTU_MAX 65535
#define IN_FLIGHT_MAX 200000

struct options {
	const char *namespaces[LINKEM_DIRECTIONS];
	const char *device;
	const char *stats_file;
	const char *pid_file;
	unsigned mtu;
	uint64_t seed;
	bool background;
	bool realtime;
	struct linkem_profile profiles[LINKEM_DIRECTIONS];
};

/* Direction i is read from tun[i] and written to tun[1 - i]. */
struct link {
	const struct options *options;
	struct linkem_direction directions[LINKEM_DIRECTIONS];
	struct linkem_flight flights[LINKEM_DIRECTIONS];
	int tun[LINKEM_DIRECTIONS];
	int epoll, timer, signals;
	uint64_t timer_ns; /* what the timer is set to; 0: off */
	uint64_t refused[LINKEM_DIRECTIONS], overflow[LINKEM_DIRECTIONS], marked[LINKEM_DIRECTIONS];
	uint64_t late_max_ns, late_sum_ns, late_count;
	uint64_t start_ns;
	bool dark;
};

static uint64_t
clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * LINKEM_NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *format, ...)
{
	va_list ap;

	fprintf(stderr, "linkem: ");
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static void
configure_device(const char *device, unsigned mtu)
{
	struct ifreq ifr;
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (sock < 0)
		die("socket: %s", strerror(errno));
	memset(&ifr, 0, sizeof(ifr));
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", device);
	ifr.ifr_qlen = DEVICE_QUEUE;
	if (ioctl(sock, SIOCSIFTXQLEN, &ifr) != 0)
		die("%s: cannot set the queue length: %s", device, strerror(errno));
	ifr.ifr_mtu = (int)mtu;
	if (ioctl(sock, SIOCSIFMTU, &ifr) != 0)
		die("%s: cannot set the MTU: %s", device, strerror(errno));
	ifr.ifr_flags = IFF_UP;
	if (ioctl(sock, SIOCSIFFLAGS, &ifr) != 0)
		die("%s: cannot bring it up: %s", device, strerror(errno));
	close(sock);
}

/* Opens a TUN device in the network namespace `name` (a name of ip-netns(8) or a path). */
static int
open_tun(const struct options *options, const char *name)
{
	char path[256];
	struct ifreq ifr;
	int ns, fd;

	snprintf(path, sizeof(path), "%s%s", strchr(name, '/') != NULL ? "" : "/run/netns/", name);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWNET) != 0)
		die("namespace %s: %s", name, strerror(errno));
	close(ns);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		die("/dev/net/tun: %s", strerror(errno));
	memset(&ifr, 0, sizeof(ifr));
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", options->device);
	ifr.ifr_flags = IFF_TUN | IFF_NO_PI;
	if (ioctl(fd, TUNSETIFF, &ifr) != 0)
		die("%s: device %s: %s", name, options->device, strerror(errno));
	configure_device(options->device, options->mtu);
	return fd;
}

static void
set_timer(struct link *link)
{
	struct itimerspec when = {0};
	uint64_t due = UINT64_MAX;

	for (int i = 0; i < LINKEM_DIRECTIONS; i++) {
		uint64_t next = linkem_flight_next(&link->flights[i]);

		due = next < due ? next : due;
	}
	if (due == UINT64_MAX)
		due = 0;
	if (due == link->timer_ns)
		return;
	link->timer_ns = due;
	when.it_value.tv_sec = (time_t)(due / LINKEM_NS_PER_S);
	when.it_value.tv_nsec = (long)(due % LINKEM_NS_PER_S);
	timerfd_settime(link->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void
deliver_due(struct link *link, int direction)
{
	struct linkem_flight *flight = &link->flights[direction];
	uint64_t now = clock_ns();

	while (linkem_flight_next(flight) <= now) {
		struct linkem_packet *packet = linkem_flight_pop(flight);
		uint64_t late = now - packet->due_ns;

		link->late_max_ns = late > link->late_max_ns ? late : link->late_max_ns;
		link->late_sum_ns += late;
		link->late_count++;
		if (write(link->tun[1 - direction], packet->data, packet->len) != (ssize_t)packet->len)
			link->refused[direction]++;
		linkem_packet_free(packet);
	}
}

/* Puts `packet` in flight as often as the verdict says; takes it over. */
static void
launch(struct link *link, int direction, struct linkem_packet *packet, const struct linkem_verdict *verdict)
{
	struct linkem_flight *flight = &link->flights[direction];

	if (verdict->copies == 0 || flight->count + verdict->copies > IN_FLIGHT_MAX) {
		link->overflow[direction] += verdict->copies;
		linkem_packet_free(packet);
		return;
	}
	if (verdict->corrupt)
		linkem_packet_corrupt(packet->data, packet->len, verdict->corrupt_bit,
			link->options->profiles[direction].corrupt_hidden);
	for (unsigned i = 1; i < verdict->copies; i++) {
		struct linkem_packet *copy = linkem_packet_new(packet->len);

		if (copy == NULL)
			die("out of memory");
		memcpy(copy, packet, sizeof(*packet) + packet->len);
		copy->due_ns = verdict->due_ns[i];
		if (linkem_flight_push(flight, copy) != 0)
			die("out of memory");
	}
	packet->due_ns = verdict->due_ns[0];
	if (linkem_flight_push(flight, packet) != 0)
		die("out of memory");
}

static void
read_device(struct link *link, int direction)
{
	uint8_t buffer[MTU_MAX];

	for (int i = 0; i < READ_BATCH; i++) {
		ssize_t len = read(link->tun[direction], buffer, sizeof(buffer));
		struct linkem_verdict verdict;
		struct linkem_packet *packet;

		if (len <= 0)
			return;
		linkem_direction_offer(&link->directions[direction], clock_ns(), (size_t)len, &verdict);
		if (verdict.copies == 0)
			continue;
		packet = linkem_packet_new((size_t)len);
		if (packet == NULL)
			die("out of memory");
		packet->len = (size_t)len;
		memcpy(packet->data, buffer, (size_t)len);
		if (verdict.mark && linkem_packet_mark(packet->data, packet->len))
			link->marked[direction]++;
		launch(link, direction, packet, &verdict);
	}
}

static void
print_direction(FILE *out, const struct link *link, int direction)
{
	const struct linkem_counters *c = &link->directions[direction].counters;

	fprintf(out,
		"{\"offered\": %" PRIu64 ", \"offered_bytes\": %" PRIu64 ", \"delivered\": %" PRIu64
		", \"delivered_bytes\": %" PRIu64 ", \"queue_full\": %" PRIu64 ", \"queue_full_bytes\": %" PRIu64
		", \"lost\": %" PRIu64 ", \"lost_bytes\": %" PRIu64 ", \"blackout\": %" PRIu64
		", \"duplicated\": %" PRIu64 ", \"corrupted\": %" PRIu64 ", \"overtaken\": %" PRIu64
		", \"marked\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"overflow\": %" PRIu64 ", \"in_flight\": %zu}",
		c->offered, c->offered_bytes, c->delivered, c->delivered_bytes, c->queue_full, c->queue_full_bytes,
		c->lost, c->lost_bytes, c->blackout, c->duplicated, c->corrupted, c->overtaken,
		link->marked[direction], link->refused[direction], link->overflow[direction], link->flights[direction].count);
}

static void
write_stats(const struct link *link)
{
	char partial[4096];
	FILE *out;

	if (link->options->stats_file == NULL)
		return;
	snprintf(partial, sizeof(partial), "%s.new", link->options->stats_file);
	out = fopen(partial, "we");
	if (out == NULL)
		return;
	fprintf(out, "{\"seconds\": %.3f, \"seed\": %" PRIu64 ", \"late_mean_us\": %.1f, \"late_max_us\": %.1f, \"ab\": ",
		(double)(clock_ns() - link->start_ns) / 1e9, link->options->seed,
		link->late_count == 0 ? 0.0 : (double)link->late_sum_ns / (double)link->late_count / 1e3,
		(double)link->late_max_ns / 1e3);
	print_direction(out, link, LINKEM_AB);
	fprintf(out, ", \"ba\": ");
	print_direction(out, link, LINKEM_BA);
	fprintf(out, "}\n");
	if (fclose(out) == 0)
		rename(partial, link->options->stats_file);
}

/* True when it is time to leave. */
static bool
handle_signal(struct link *link)
{
	struct signalfd_siginfo info;

	if (read(link->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return false;
	if (info.ssi_signo == SIGUSR1) {
		write_stats(link);
		return false;
	}
	if (info.ssi_signo == SIGUSR2) {
		link->dark = !link->dark;
		for (int i = 0; i < LINKEM_DIRECTIONS; i++)
			linkem_direction_set_blackout(&link->directions[i], link->dark);
		return false;
	}
	return true;
}

static void
watch(struct link *link, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	if (epoll_ctl(link->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		die("epoll_ctl: %s", strerror(errno));
}

static void
run(struct link *link)
{
	bool leave = false;

	while (!leave) {
		struct epoll_event events[4];
		int count;

		set_timer(link);
		count = epoll_wait(link->epoll, events, 4, -1);
		for (int i = 0; i < count; i++) {
			int fd = events[i].data.fd;
			uint64_t expirations;

			if (fd == link->signals)
				leave = handle_signal(link);
			else if (fd == link->timer && read(fd, &expirations, sizeof(expirations)) > 0)
				link->timer_ns = 0;
			else if (fd == link->tun[LINKEM_AB])
				read_device(link, LINKEM_AB);
			else if (fd == link->tun[LINKEM_BA])
				read_device(link, LINKEM_BA);
		}
		deliver_due(link, LINKEM_AB);
		deliver_due(link, LINKEM_BA);
	}
}

static void
open_devices(struct link *link, const struct options *options)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	memset(link, 0, sizeof(*link));
	link->options = options;
	for (int i = 0; i < LINKEM_DIRECTIONS; i++)
		link->tun[i] = open_tun(options, options->namespaces[i]);
	if (home < 0 || setns(home, CLONE_NEWNET) != 0)
		die("cannot return to the network namespace of the start: %s", strerror(errno));
	close(home);
}

/* In the process that will run: a signalfd in an epoll set belongs to the process that put it there. */
static void
start(struct link *link, const sigset_t *signals)
{
	link->start_ns = clock_ns();
	for (int i = 0; i < LINKEM_DIRECTIONS; i++)
		linkem_direction_init(&link->directions[i], &link->options->profiles[i],
			link->options->seed * LINKEM_DIRECTIONS + (uint64_t)i, link->start_ns);
	link->signals = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
	link->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	link->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (link->signals < 0 || link->timer < 0 || link->epoll < 0)
		die("cannot make descriptors: %s", strerror(errno));
	watch(link, link->signals);
	watch(link, link->timer);
	watch(link, link->tun[LINKEM_AB]);
	watch(link, link->tun[LINKEM_BA]);
}

static void
write_pid(const char *path, pid_t pid)
{
	FILE *out = path == NULL ? NULL : fopen(path, "we");

	if (path == NULL)
		return;
	if (out == NULL || fprintf(out, "%d\n", (int)pid) < 0 || fclose(out) != 0)
		die("%s: %s", path, strerror(errno));
}

static void
usage(FILE *out)
{
	fprintf(out,
		"usage: linkem [OPTION]... NAMESPACE_A NAMESPACE_B [[ab.|ba.]NAME=VALUE]...\n"
		"Joins two network namespaces by an emulated link. Without \"ab.\" or \"ba.\" a setting is for both directions.\n"
		"  -b, --background       return when the devices are up and go on in the background\n"
		"  -d, --device NAME      name of the TUN device in each namespace (linkem0)\n"
		"  -m, --mtu BYTES        MTU of both devices (1500)\n"
		"  -o, --stats FILE       write counters as JSON at SIGTERM, SIGINT and at each SIGUSR1\n"
		"  -p, --pid-file FILE    write the process id\n"
		"  -r, --realtime         run with SCHED_FIFO priority, for exact times on a busy machine\n"
		"  -s, --seed NUMBER      seed of all random decisions (1)\n"
		"  -h, --help             this text\n"
		"SIGUSR2 begins and ends a blackout of both directions.\n");
	linkem_spec_describe(out);
}

static uint64_t
parse_uint(const char *text, uint64_t min, uint64_t max, const char *what)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || value < min || value > max)
		die("%s must be a number from %" PRIu64 " to %" PRIu64 ", not \"%s\"", what, min, max, text);
	return value;
}

static void
parse_options(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
		{"background", no_argument, NULL, 'b'}, {"device", required_argument, NULL, 'd'},
		{"mtu", required_argument, NULL, 'm'}, {"stats", required_argument, NULL, 'o'},
		{"pid-file", required_argument, NULL, 'p'}, {"realtime", no_argument, NULL, 'r'},
		{"seed", required_argument, NULL, 's'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0},
	};
	char error[256];
	int c;

	*options = (struct options){.device = "linkem0", .mtu = 1500, .seed = 1};
	while ((c = getopt_long(argc, argv, "bd:m:o:p:rs:h", longs, NULL)) != -1) {
		switch (c) {
		case 'b': options->background = true; break;
		case 'd': options->device = optarg; break;
		case 'm': options->mtu = (unsigned)parse_uint(optarg, MTU_MIN, MTU_MAX, "the MTU"); break;
		case 'o': options->stats_file = optarg; break;
		case 'p': options->pid_file = optarg; break;
		case 'r': options->realtime = true; break;
		case 's': options->seed = parse_uint(optarg, 0, UINT64_MAX, "the seed"); break;
		case 'h': usage(stdout); exit(0);
		default: exit(2);
		}
	}
	if (argc - optind < LINKEM_DIRECTIONS) {
		usage(stderr);
		exit(2);
	}
	for (int i = 0; i < LINKEM_DIRECTIONS; i++)
		options->namespaces[i] = argv[optind++];
	for (; optind < argc; optind++) {
		if (linkem_spec_apply(options->profiles, argv[optind], error, sizeof(error)) != 0) {
			fprintf(stderr, "linkem: %s\n", error);
			exit(2);
		}
	}
}

/* The parent leaves only when the pid file is there. Standard output must not stay open in the background, or a shell's $(...) would wait for it. */
static void
go_to_background(const char *pid_file)
{
	int null = open("/dev/null", O_RDWR);
	pid_t pid = fork();

	if (pid < 0 || null < 0)
		die("cannot go to the background: %s", strerror(errno));
	if (pid > 0) {
		write_pid(pid_file, pid);
		exit(0);
	}
	setsid();
	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	close(null);
}

int
main(int argc, char **argv)
{
	struct options options;
	struct link link;
	sigset_t signals;

	parse_options(argc, argv, &options);
	open_devices(&link, &options);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGUSR2);
	/* before the pid is told to anyone */
	sigprocmask(SIG_BLOCK, &signals, NULL);
	if (options.realtime) {
		struct sched_param priority = {.sched_priority = 10};

		if (sched_setscheduler(0, SCHED_FIFO, &priority) != 0)
			fprintf(stderr, "linkem: no real-time priority: %s\n", strerror(errno));
	}
	if (options.background)
		go_to_background(options.pid_file);
	else
		write_pid(options.pid_file, getpid());
	/* the timer may fire 50 us late by default */
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	start(&link, &signals);
	run(&link);
	write_stats(&link);
	for (int i = 0; i < LINKEM_DIRECTIONS; i++)
		linkem_flight_dispose(&link.flights[i]);
	return 0;
}
