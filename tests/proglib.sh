# proglib: runs real programs under the shim, a server in namespace b and a client in a. Sourced by prog_*.sh.
#
#   prog_start PROGRAM... [-- LINKWORD...]   skips unless all are installed, makes the network
#   kcp_a PORTS COMMAND...   kcp_b ...       runs COMMAND with TCP on PORTS carried by KCP
#   start_a PORTS COMMAND... start_b ...     the same in the background; its pid is $started
#   ask_a PORTS COMMAND...                   kcp_a for at most PROG_SECONDS
#   tcp_a COMMAND...         tcp_b ...       without the shim
#   on_kcp PORT                              true when b has the port on UDP and no TCP listener
# With PROG_KERNEL=1 all of it runs over kernel TCP: what fails then is not the shim's fault.
#   sample_file NAME BYTES                   $NETLAB_TMP/NAME with random bytes
#   same FILE FILE                           fails unless equal
#   certificate KEYFILE FILE   a key, and a certificate for the addresses of b
#   step TEXT                                says what is being tested
. "$top_srcdir/tests/netlab.sh"

PATH=$PATH:/usr/sbin:/sbin
# Absolute: programs change their directory.
SHIM=${SHIM-$(cd "$top_builddir" && pwd)/.libs/libkcpshim.so}
[ -z "$PROG_KERNEL" ] || SHIM=
# The longest that one client command may take.
PROG_SECONDS=${PROG_SECONDS:-60}
# The emulated link unless a test asks for another.
PROG_LINK='rate=200M queue=50ms delay=2ms loss=1%'

prog_start() {
	[ -z "$SANITIZED" ] || skip "programs run without the sanitizer's runtime"
	[ -n "$PROG_KERNEL" ] || [ -e "$SHIM" ] || fail "$SHIM is not built"
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		need "$1"
		shift
	done
	[ $# = 0 ] || shift
	# shellcheck disable=SC2086
	[ $# -gt 0 ] || set -- $PROG_LINK
	netlab_start "$@"
	chmod 755 "$NETLAB_TMP"
}

kcp_a() { prog_ports=$1; shift; in_a env LD_PRELOAD="$SHIM" KCPSHIM_PORTS="$prog_ports" "$@"; }
kcp_b() { prog_ports=$1; shift; in_b env LD_PRELOAD="$SHIM" KCPSHIM_PORTS="$prog_ports" "$@"; }
# Not kcp_b ... &, whose $! would be that of a shell around the program.
start_a() {
	prog_ports=$1
	shift
	ip netns exec "$netlab_a" env LD_PRELOAD="$SHIM" KCPSHIM_PORTS="$prog_ports" "$@" &
	started=$!
}
start_b() {
	prog_ports=$1
	shift
	ip netns exec "$netlab_b" env LD_PRELOAD="$SHIM" KCPSHIM_PORTS="$prog_ports" "$@" &
	started=$!
}
# The same with a bound in time, for clients.
ask_a() { prog_ports=$1; shift; in_a timeout "$PROG_SECONDS" env LD_PRELOAD="$SHIM" KCPSHIM_PORTS="$prog_ports" "$@"; }
tcp_a() { in_a timeout "$PROG_SECONDS" "$@"; }
tcp_b() { in_b timeout "$PROG_SECONDS" "$@"; }

on_kcp() {
	[ -z "$PROG_KERNEL" ] || { [ -n "$(in_b ss -Hltn "sport = :$1")" ]; return; }
	[ -n "$(in_b ss -Hlun "sport = :$1")" ] && [ -z "$(in_b ss -Hltn "sport = :$1")" ]
}
wait_kcp() { wait_until 20 on_kcp "$1" || fail "port $1 is not on UDP alone: $(in_b ss -Hlutn "sport = :$1")"; }

sample_file() { head -c "$2" /dev/urandom >"$NETLAB_TMP/$1" && chmod 644 "$NETLAB_TMP/$1"; }
same() { cmp -s "$1" "$2" || fail "$1 and $2 differ ($(wc -c <"$1") and $(wc -c <"$2") bytes)"; }
step() { echo "-- $*"; }
# certificate KEYFILE FILE: a key, and a certificate for b's addresses signed by itself.
certificate() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test \
		-addext "subjectAltName=IP:$NETLAB_B4,IP:$NETLAB_B6" -keyout "$1" -out "$2" 2>"$NETLAB_TMP/openssl.log" ||
		fail "openssl: $(cat "$NETLAB_TMP/openssl.log")"
	chmod 644 "$1" "$2"
}
