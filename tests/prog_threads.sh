#!/bin/sh
# Several engine threads: connections are spread and stay with theirs, whatever becomes of addresses, listeners and processes.
case ${SANITIZED:-} in ?*) echo "SKIP: programs run without the sanitizer's runtime"; exit 77 ;; esac
for program in python3 ss; do
	command -v "$program" >/dev/null 2>&1 || { echo "SKIP: $program is not installed"; exit 77; }
done
step() { echo "-- $*"; }
fail() { echo "FAIL: $*" >&2; exit 1; }
dir=$(mktemp -d) || exit 99
pids=
trap 'for p in $pids; do kill -9 "$p" 2>/dev/null; done; rm -rf "$dir"' EXIT
umask 077
peer=$top_srcdir/tests/threads_peer.py
shim=$(cd "$top_builddir" && pwd)/.libs/libkcpshim.so
kcpctl=$top_builddir/kcpctl
"$kcpctl" genkey >"$dir/keys" || fail "genkey"
threads=2
kcp() { exec env LD_PRELOAD="$shim" KCPSHIM_PORTS=7000,7001 KCPSHIM_RULES= KCPSHIM_KEY_FILE="$dir/keys" KCPSHIM_THREADS=$threads "$@"; }

# until_true SECONDS COMMAND...
until_true() {
	tries=$(($1 * 20))
	shift
	while ! "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.05
	done
}
has_line() { grep -q "$1" "$2"; }

start_server() {
	: >"$dir/server"
	kcp python3 "$peer" server 7000 >"$dir/server" &
	server=$!
	pids="$pids $server"
	until_true 20 has_line ready "$dir/server" || fail "the server did not start"
}

# open_clients PORT COUNT SIZE [reset]: they wait until go is called.
open_clients() {
	port=$1 count=$2 size=$3
	shift 3
	rm -f "$dir/in"
	mkfifo "$dir/in"
	: >"$dir/client"
	kcp timeout 60 python3 "$peer" client 127.0.0.1 "$port" "$count" "$size" hold "$@" <"$dir/in" >"$dir/client" &
	client=$!
	pids="$pids $client"
	exec 3>"$dir/in"
	until_true 30 has_line open "$dir/client" || fail "the connections did not open"
}
go() {
	echo >&3
	exec 3>&-
	wait "$client" || fail "$1"
}

# spread ROLE COUNT: kcpctl knows of so many connections, each thread has some, and no number is there twice.
spread() {
	"$kcpctl" status -j | python3 -c '
import collections, json, sys
lines = [s for s in json.load(sys.stdin) if s["role"] == sys.argv[1]]
counts = collections.Counter(s["thread"] for s in lines)
print(sys.argv[1], dict(counts))
assert len(lines) == int(sys.argv[2]) == len({s["session"] for s in lines})
assert sorted(counts) == list(range(int(sys.argv[3])))' "$1" "$2" "$threads" || fail "status: $1"
}

step "200 connections at once"
start_server
open_clients 7000 200 60000
spread accept 200
spread connect 200
[ "$("$kcpctl" status | grep -c ' listen ')" = 1 ] || fail "listeners: $("$kcpctl" status)"
id=$("$kcpctl" status | awk '$4 == "accept" && $NF == 1 { print $1; exit }')
"$kcpctl" set "$id" rate=100M || fail "a session of the second thread cannot be set"
go "200 connections"

step "their addresses change"
python3 "$peer" relay 7001 7000 >"$dir/relay" &
relay=$!
pids="$pids $relay"
until_true 20 has_line ready "$dir/relay" || fail "no relay"
open_clients 7001 20 30000
kill -USR1 "$relay"
until_true 20 has_line forgotten "$dir/relay" || fail "the relay does not forget"
go "other addresses"
kill "$relay"

step "the listening socket is closed and opened again"
open_clients 7000 40 60000
kill -USR1 "$server"
until_true 20 sh -c "[ \$(grep -c ready '$dir/server') = 2 ]" || fail "the server did not listen again"
(kcp timeout 60 python3 "$peer" client 127.0.0.1 7000 20 1000) || fail "new connections"
go "old connections"

step "the server dies and comes back, with another number of threads"
open_clients 7000 20 1000 reset
kill -9 "$server"
wait "$server" 2>/dev/null
threads=3
start_server
go "not all were reset"

step "a plain wire, told apart by addresses"
kill -9 "$server"
wait "$server" 2>/dev/null
kcp() { exec env LD_PRELOAD="$shim" KCPSHIM_PORTS=7000 KCPSHIM_RULES= KCPSHIM_WIRE=plain KCPSHIM_THREADS=$threads "$@"; }
start_server
open_clients 7000 60 30000
spread accept 60
go "a plain wire"

step "nothing stays behind"
kill "$server"
wait "$server" 2>/dev/null
quiet() { [ -z "$(ss -Hlun)" ] && [ "$("$kcpctl" status | wc -l)" = 1 ]; }
until_true 20 quiet || fail "left: $(ss -Hlunp; "$kcpctl" status)"

step "numbers that are none"
for bad in 0 17 x -1; do
	KCPSHIM_THREADS=$bad LD_PRELOAD=$shim KCPSHIM_PORTS=7000 /bin/true 2>"$dir/err"
	status=$?
	[ $status = 2 ] && grep -q "KCPSHIM_THREADS: threads=$bad is not a number from 1 to 16" "$dir/err" ||
		fail "$bad: status $status, $(cat "$dir/err")"
done
exit 0
