#!/bin/sh
# What a program wrote before it closed, exited, exec'd or died arrives, followed by an orderly end.
. "$top_srcdir/tests/proglib.sh"
prog_start python3 ss -- rate=50M queue=100ms delay=20ms loss=3%
leave="python3 $top_srcdir/tests/leave.py"
bytes=1000000

# ended STATUS WAY: the program's own exit status is what it would be without the shim.
ended() {
	case $2 in
	abort) [ "$1" = 134 ] ;;
	kill) [ "$1" = 137 ] ;;
	status) [ "$1" = 42 ] ;;
	*) [ "$1" = 0 ] ;;
	esac || fail "$2: the program ended with status $1"
}

# What no library can see coming needs an engine that is a process of its own.
engine_for() {
	case $1 in
	abort|kill) echo env KCPSHIM_ENGINE=process ;;
	esac
}

for way in close exit _exit exec exec-inherited fork status abort kill; do
	step "the client leaves by $way"
	start_b 7000 $leave sink "$NETLAB_B4" 7000 $bytes
	wait_kcp 7000
	(ulimit -c 0; ask_a 7000 $(engine_for $way) $leave source "$NETLAB_B4" 7000 $bytes $way)
	ended $? $way
	wait "$started" || fail "the server did not get everything"

	step "the server leaves by $way"
	(ulimit -c 0; kcp_b 7000 $(engine_for $way) $leave server "$NETLAB_B4" 7000 $bytes $way) &
	server=$!
	wait_kcp 7000
	ask_a 7000 $leave client "$NETLAB_B4" 7000 $bytes || fail "the client did not get everything"
	wait "$server"
	ended $? $way
done

step "the peer of a killed program learns of it although it only waits"
start_b 7000 env KCPSHIM_KEEPALIVE=1 $leave waiter "$NETLAB_B4" 7000 0
wait_kcp 7000
ask_a 7000 $leave source "$NETLAB_B4" 7000 1000 kill-later
ended $? kill
wait "$started" || fail "the server was not told"

step "nothing of it stays behind"
quiet() { [ -z "$(ip netns pids "$netlab_a")$(ip netns pids "$netlab_b")" ]; }
wait_until 60 quiet || {
	for pid in $(ip netns pids "$netlab_a") $(ip netns pids "$netlab_b"); do
		echo "$pid: $(tr '\0' ' ' </proc/"$pid"/cmdline) $(cat /proc/"$pid"/task/*/wchan)"
	done
	fail "still running"
}
exit 0
