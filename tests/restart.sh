#!/bin/sh
# A server dies by SIGKILL and is started again while its client is idle: the next thing the client sends brings ECONNRESET, as
# with TCP, whether the reset secret comes from a key file or from the user's runtime directory.
case ${SANITIZED:-} in ?*) echo "SKIP: not for sanitized builds: programs would need the sanitizer's library"; exit 77 ;; esac
command -v python3 >/dev/null 2>&1 || { echo "SKIP: python3 is not installed"; exit 77; }
fail() { echo "FAIL: $*" >&2; exit 1; }
dir=$(mktemp -d) || exit 99
server=
client=
trap '[ -z "$server" ] || kill -9 "$server" 2>/dev/null; [ -z "$client" ] || kill -9 "$client" 2>/dev/null; rm -rf "$dir"' EXIT
umask 077
port=18555
shim=$top_builddir/.libs/libkcpshim.so
run() { exec env LD_PRELOAD="$shim" KCPSHIM_PORTS=$port "$@"; }

# wait_for FILE WHAT: until it is there and not empty, or (-e) is there.
wait_for() {
	for i in $(seq 200); do
		[ "$1" "$2" ] && return
		sleep 0.1
	done
	fail "$3"
}

start_server() {
	rm -f "$dir/ready"
	run "$@" python3 "$top_srcdir/tests/restart_peer.py" server $port "$dir/ready" &
	server=$!
	wait_for -e "$dir/ready" "the server did not start"
}

stop_server() {
	kill -9 "$server"
	wait "$server" 2>/dev/null
	server=
}

# survive WAIT EXPECTED VARIABLE...: what the client sees of the restart, waiting for it so long.
survive() {
	wait=$1
	expected=$2
	shift 2
	start_server "$@"
	rm -f "$dir/in" "$dir/out"
	mkfifo "$dir/in"
	run "$@" python3 "$top_srcdir/tests/restart_peer.py" client $port <"$dir/in" >"$dir/out" 2>"$dir/err" &
	client=$!
	exec 3>"$dir/in"
	wait_for -s "$dir/out" "no connection: $(cat "$dir/err")"
	# What follows an opening by itself is over then: nothing may be sent while nobody listens.
	sleep 0.5
	stop_server
	start_server "$@"
	echo "$wait" >&3
	exec 3>&-
	wait "$client" || fail "the client failed: $(cat "$dir/err")"
	client=
	echo "$* : $(tail -n 1 "$dir/out"), $(cat "$dir/err")"
	[ "$(tail -n 1 "$dir/out")" = "$expected" ] || fail "instead of $expected"
	stop_server
}

"$top_builddir/kcpctl" genkey >"$dir/keys" || fail "genkey"
mkdir "$dir/run"
survive 60 ConnectionResetError KCPSHIM_KEY_FILE="$dir/keys" XDG_RUNTIME_DIR=
survive 60 ConnectionResetError XDG_RUNTIME_DIR="$dir/run"
[ "$(stat -c %a "$dir/run/kcpshim-reset-secret")" = 600 ] || fail "the reset secret is accessible to others"
# With neither nothing can be proven, and nothing is said.
survive 0.5 TimeoutError XDG_RUNTIME_DIR=
exit 0
