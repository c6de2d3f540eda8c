# netlab: shell functions for tests that need a network of their own.
#
# Two namespaces, kcps-PID-a and kcps-PID-b, joined by linkem; source this file, call netlab_start, then run
# programs with in_a and in_b. Everything is removed when the shell leaves, however it leaves.
#   NETLAB_A4 NETLAB_B4 NETLAB_A6 NETLAB_B6   addresses
#   NETLAB_TMP                                a directory removed at the end
# LINKEM may name the emulator's binary; by default it is looked for beside the build's other tests.

netlab_a=kcps-$$-a
netlab_b=kcps-$$-b
NETLAB_A4=10.77.1.1 NETLAB_B4=10.77.1.2
NETLAB_A6=fd77::1 NETLAB_B6=fd77::2
NETLAB_TMP=$(mktemp -d "${TMPDIR:-/tmp}/kcps.XXXXXX") || exit 99
netlab_link_pid=
netlab_pids=

# skip REASON: end the test as skipped.
skip() {
	echo "SKIP: $*"
	exit 77
}

# fail REASON: end the test as failed.
fail() {
	echo "FAIL: $*" >&2
	exit 1
}

# need PROGRAM...: skip unless all are installed.
need() {
	for netlab_program; do
		command -v "$netlab_program" >/dev/null 2>&1 || skip "$netlab_program is not installed"
	done
}

in_a() { ip netns exec "$netlab_a" "$@"; }
in_b() { ip netns exec "$netlab_b" "$@"; }

# remember PID: a background process to end with the test.
remember() { netlab_pids="$netlab_pids $1"; }

# at_exit COMMAND: run it first when the test ends; may be called again, the latest runs first.
netlab_hooks=
at_exit() { netlab_hooks="$1; $netlab_hooks"; }

netlab_cleanup() {
	netlab_status=$?
	trap - EXIT INT TERM HUP
	eval "$netlab_hooks"
	for netlab_pid in $netlab_pids; do
		kill "$netlab_pid" 2>/dev/null
	done
	netlab_stop
	rm -rf "$NETLAB_TMP"
	exit "$netlab_status"
}
trap netlab_cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Ends what still runs in namespace $1.
netlab_empty() {
	for netlab_signal in TERM KILL; do
		netlab_left=$(ip netns pids "$1" 2>/dev/null) || return 0
		[ -n "$netlab_left" ] || return 0
		# shellcheck disable=SC2086
		kill -$netlab_signal $netlab_left 2>/dev/null
		netlab_tries=0
		while [ -n "$(ip netns pids "$1" 2>/dev/null)" ] && [ $netlab_tries -lt 20 ]; do
			sleep 0.05
			netlab_tries=$((netlab_tries + 1))
		done
	done
}

# Ends the link. Who is to reap a daemon may take its time: a zombie has ended.
netlab_unlink() {
	kill "$netlab_link_pid" 2>/dev/null
	while grep -q '^State:[^Z]*$' "/proc/$netlab_link_pid/status" 2>/dev/null; do sleep 0.02; done
}

# netlab_stop: ends the link and everything in the namespaces, and removes them.
netlab_stop() {
	for netlab_ns in "$netlab_a" "$netlab_b"; do
		netlab_empty "$netlab_ns"
	done
	if [ -n "$netlab_link_pid" ]; then
		netlab_unlink
		netlab_link_pid=
	fi
	for netlab_ns in "$netlab_a" "$netlab_b"; do
		ip netns del "$netlab_ns" 2>/dev/null
	done
	return 0
}

# netlab_make: the namespaces without a link between them. Skips where the system does not allow it.
netlab_make() {
	[ "$(id -u)" = 0 ] || skip "network namespaces need root"
	command -v ip >/dev/null 2>&1 || skip "ip (iproute2) is not installed"
	[ -c /dev/net/tun ] || skip "there is no /dev/net/tun"
	for netlab_ns in "$netlab_a" "$netlab_b"; do
		ip netns add "$netlab_ns" 2>"$NETLAB_TMP/error" ||
			skip "cannot make a network namespace: $(cat "$NETLAB_TMP/error")"
		ip -n "$netlab_ns" link set lo up
		# no link-local address and no router solicitation: only the tests' packets shall cross the link
		ip netns exec "$netlab_ns" sh -c '
			echo 1 >/proc/sys/net/ipv6/conf/default/addr_gen_mode
			echo 0 >/proc/sys/net/ipv6/conf/default/router_solicitations' 2>/dev/null
	done
}

netlab_address() {
	ip -n "$1" addr add "$2/24" dev linkem0 &&
		ip -n "$1" addr add "$3/64" dev linkem0 nodad ||
		fail "cannot give $1 its addresses"
}

# netlab_link WORD...: joins the namespaces by linkem with these options and settings; a second call changes the link.
netlab_link() {
	if [ -n "$netlab_link_pid" ]; then
		netlab_unlink
	fi
	"${LINKEM:-./tests/linkem}" -b -r -p "$NETLAB_TMP/linkem.pid" -o "$NETLAB_TMP/link.json" \
		"$netlab_a" "$netlab_b" "$@" || fail "linkem does not start"
	netlab_link_pid=$(cat "$NETLAB_TMP/linkem.pid")
	netlab_address "$netlab_a" "$NETLAB_A4" "$NETLAB_A6"
	netlab_address "$netlab_b" "$NETLAB_B4" "$NETLAB_B6"
}

netlab_start() {
	netlab_make
	netlab_link "$@"
}

# netlab_stats: brings $NETLAB_TMP/link.json up to date and prints it.
netlab_stats() {
	rm -f "$NETLAB_TMP/link.json"
	kill -USR1 "$netlab_link_pid"
	netlab_tries=0
	while [ ! -s "$NETLAB_TMP/link.json" ] && [ $netlab_tries -lt 200 ]; do
		sleep 0.01
		netlab_tries=$((netlab_tries + 1))
	done
	cat "$NETLAB_TMP/link.json"
}

# wait_until SECONDS COMMAND...: repeats COMMAND until it succeeds; 1 when the time is over.
wait_until() {
	netlab_deadline=$(($(date +%s) + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt "$netlab_deadline" ] || return 1
		sleep 0.05
	done
}
