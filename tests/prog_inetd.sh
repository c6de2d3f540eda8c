#!/bin/sh
# Services that get their socket as standard input: by inetd, one process for each connection, and by systemd's socket activation.
. "$top_srcdir/tests/proglib.sh"
prog_start socat python3 ss
sample_file data 1500000
# served PORT: what b's port answers to the data must be its SHA-256, for four clients at once.
served() {
	for i in 1 2 3 4; do
		ask_a 7000-7005 socat -t 60 - "TCP:$NETLAB_B4:$1" <"$NETLAB_TMP/data" >"$NETLAB_TMP/sum$i" &
		eval "client$i=$!"
	done
	for i in 1 2 3 4; do
		eval "wait \$client$i" || fail "port $1, client $i: $?"
		[ "$(cut -d' ' -f1 "$NETLAB_TMP/sum$i")" = "$(sha256sum <"$NETLAB_TMP/data" | cut -d' ' -f1)" ] ||
			fail "port $1, client $i: $(cat "$NETLAB_TMP/sum$i")"
	done
}
cat >"$NETLAB_TMP/wait.py" <<'END'
import hashlib, socket
# The listener itself is standard input.
listener = socket.socket(fileno=0)
listener.settimeout(20)
for _ in range(4):
    s, _ = listener.accept()
    with s, s.makefile("rb") as stream:
        s.sendall(hashlib.sha256(stream.read()).hexdigest().encode())
END
if command -v inetd >/dev/null && inetd -h 2>&1 | grep -q -e '-[a-zA-Z]*i.*configuration_file'; then
	step "inetd: a program for each connection, as another user"
	cat >"$NETLAB_TMP/inetd.conf" <<END
$NETLAB_B4:7000 stream tcp nowait nobody $(command -v sha256sum) sha256sum
$NETLAB_B4:7001 stream tcp wait root $(command -v python3) python3 $NETLAB_TMP/wait.py
$NETLAB_B4:7002 stream tcp nowait root $(command -v rsync || echo /bin/false) rsync --daemon --config=$NETLAB_TMP/rsyncd.conf
END
	printf 'use chroot = yes\nuid = root\ngid = root\n[files]\npath = %s\nread only = no\n' "$NETLAB_TMP/served" >"$NETLAB_TMP/rsyncd.conf"
	mkdir "$NETLAB_TMP/served"
	start_b 7000-7005 inetd -i "$NETLAB_TMP/inetd.conf" >"$NETLAB_TMP/inetd.log" 2>&1
	inetd=$started
	for port in 7000 7001 7002; do wait_kcp $port; done
	served 7000

	step "inetd: a service that accepts by itself"
	served 7001
	if command -v rsync >/dev/null; then
		step "inetd: rsync's daemon"
		mkdir "$NETLAB_TMP/tree"
		for i in 1 2 3 4 5; do head -c $((i * 100000)) "$NETLAB_TMP/data" >"$NETLAB_TMP/tree/$i"; done
		ask_a 7000-7005 rsync -a --port=7002 "$NETLAB_TMP/tree/" "rsync://$NETLAB_B4/files/up/" || fail "rsync: $?"
		diff -r "$NETLAB_TMP/tree" "$NETLAB_TMP/served/up" || fail "the trees differ"
		ask_a 7000-7005 rsync -a --port=7002 "rsync://$NETLAB_B4/files/up/" "$NETLAB_TMP/down/" || fail "rsync: $?"
		diff -r "$NETLAB_TMP/tree" "$NETLAB_TMP/down" || fail "the trees differ"
	fi
	kill "$inetd"
	wait "$inetd"
	tried=1
fi
if command -v systemd-socket-activate >/dev/null; then
	step "systemd-socket-activate: a program for each connection"
	start_b 7000-7005 systemd-socket-activate -l "$NETLAB_B4:7003" --inetd -a sha256sum >"$NETLAB_TMP/activate.log" 2>&1
	wait_kcp 7003
	served 7003

	step "systemd-socket-activate: a service that gets the listener, without our environment"
	sed -i 's/fileno=0/fileno=3/' "$NETLAB_TMP/wait.py"
	start_b 7000-7005 systemd-socket-activate -l "$NETLAB_B4:7004" python3 "$NETLAB_TMP/wait.py" >"$NETLAB_TMP/activate.log" 2>&1
	wait_kcp 7004
	served 7004
	wait "$started" || fail "the service: $? $(cat "$NETLAB_TMP/activate.log")"
	tried=1
fi
[ -n "$tried" ] || skip "neither openbsd-inetd nor systemd-socket-activate is installed"
exit 0
