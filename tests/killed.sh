#!/bin/sh
# A program is killed by SIGKILL, and its engine, a thread of it, with it: ICMP tells its peer at the next thing that it sends, which
# gets ECONNRESET. Keepalive is off, so that nothing else can. How soon: test_session, in virtual time.
case ${SANITIZED:-} in ?*) echo "SKIP: not for sanitized builds: programs would need the sanitizer's library"; exit 77 ;; esac
command -v python3 >/dev/null 2>&1 || { echo "SKIP: python3 is not installed"; exit 77; }
fail() { echo "FAIL: $*" >&2; exit 1; }
dir=$(mktemp -d) || exit 99
stays=
asks=
trap '[ -z "$stays" ] || kill -9 "$stays" 2>/dev/null; [ -z "$asks" ] || kill -9 "$asks" 2>/dev/null; rm -rf "$dir"' EXIT
port=18556
run() {
	exec env LD_PRELOAD="$top_builddir/.libs/libkcpshim.so" KCPSHIM_PORTS=$port KCPSHIM_KEEPALIVE=0 XDG_RUNTIME_DIR= "$@"
}

# wait_for FILE WORD
wait_for() {
	for i in $(seq 200); do
		grep -q "$2" "$1" && return
		sleep 0.1
	done
	fail "no \"$2\": $(cat "$1")"
}

# killed ROLE OTHER-ROLE ADDRESS VARIABLE...: who has ROLE is killed.
killed() {
	role=$1
	other=$2
	address=$3
	shift 3
	rm -f "$dir/in"
	: >"$dir/stays"
	: >"$dir/asks"
	mkfifo "$dir/in"
	set -- "$@" python3 "$top_srcdir/tests/killed_peer.py"
	[ "$role" = call ] || { run "$@" serve "$address" $port stay >"$dir/stays" & stays=$!; wait_for "$dir/stays" listening; }
	# Opened for both, so that it does not wait for the other.
	run "$@" "$other" "$address" $port ask <>"$dir/in" >"$dir/asks" 2>"$dir/took" &
	asks=$!
	[ "$role" = serve ] || { wait_for "$dir/asks" listening; run "$@" call "$address" $port stay >"$dir/stays" & stays=$!; }
	wait_for "$dir/stays" up
	wait_for "$dir/asks" up
	kill -9 "$stays"
	wait "$stays" 2>/dev/null
	stays=
	echo >"$dir/in"
	wait "$asks" || fail "who asked failed: $(cat "$dir/took")"
	asks=
	echo "$role of $address killed: $(tail -n 1 "$dir/asks") $(cat "$dir/took")"
	[ "$(tail -n 1 "$dir/asks")" = ConnectionResetError ] || fail "no reset"
}

addresses=127.0.0.1
grep -q . /proc/net/if_inet6 2>/dev/null && addresses="$addresses ::1"
for address in $addresses; do
	killed serve call "$address"
	killed call serve "$address"
done
killed serve call 127.0.0.1 KCPSHIM_CRYPTO=none
exit 0
