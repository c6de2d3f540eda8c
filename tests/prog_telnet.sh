#!/bin/sh
# telnet: a session with a line-based service and one with a web server; options of its own protocol pass unchanged.
. "$top_srcdir/tests/proglib.sh"
prog_start telnet socat python3 ss
telnet --version 2>&1 | grep -q inetutils || skip "telnet is not that of inetutils"
mkfifo "$NETLAB_TMP/keys"

# talk PORT: telnet to b, typed at through descriptor 9; what it shows is in $NETLAB_TMP/screen.
talk() {
	: >"$NETLAB_TMP/screen"
	ip netns exec "$netlab_a" env LD_PRELOAD="$SHIM" KCPSHIM_PORTS=2323,2324 timeout "$PROG_SECONDS" \
		telnet "$NETLAB_B4" "$1" <"$NETLAB_TMP/keys" >"$NETLAB_TMP/screen" 2>&1 &
	started=$!
	exec 9>"$NETLAB_TMP/keys"
	wait_until 20 grep -q 'Escape character' "$NETLAB_TMP/screen" || fail "not connected: $(cat "$NETLAB_TMP/screen")"
}
shows() { wait_until 20 grep -q "$1" "$NETLAB_TMP/screen" || fail "$1 is not shown: $(cat "$NETLAB_TMP/screen")"; }

cat >"$NETLAB_TMP/service" <<'END'
n=0
while read -r line; do
	n=$((n + 1))
	case $line in quit*) exit 0 ;; esac
	echo "$n:you said $line"
done
END
step "an exchange of lines, ended by the server"
start_b 2323,2324 socat TCP-LISTEN:2323,reuseaddr,fork EXEC:"sh $NETLAB_TMP/service"
wait_kcp 2323
talk 2323
for i in 1 2 3 4 5; do
	echo "hello $i" >&9
	shows "^$i:you said hello $i"
done
echo quit >&9
shows 'Connection closed by foreign host'
exec 9>&-
wait "$started"

step "a server that asks for options and gets telnet's answers"
cat >"$NETLAB_TMP/options.py" <<'END'
import socket, sys
IAC, WILL, WONT, DO, DONT, ECHO, TTYPE = 255, 251, 252, 253, 254, 1, 24
listener = socket.create_server((sys.argv[1], 2324))
s, _ = listener.accept()
s.sendall(bytes([IAC, WILL, ECHO, IAC, DO, 200]) + b"ready\r\n")
got = b""
while not (bytes([IAC, DO, ECHO]) in got and bytes([IAC, WONT, 200]) in got and b"typed" in got):
    part = s.recv(1000)
    assert part, got
    got += part
s.sendall(b"options agreed\r\n")
s.shutdown(socket.SHUT_WR)
while s.recv(1000):
    pass
END
start_b 2323,2324 python3 "$NETLAB_TMP/options.py" "$NETLAB_B4"
server=$started
wait_kcp 2324
talk 2324
shows '^ready'
echo typed >&9
shows 'options agreed'
shows 'Connection closed by foreign host'
exec 9>&-
wait "$started"
wait "$server" || fail "server: $?"
exit 0
