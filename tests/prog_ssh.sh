#!/bin/sh
# sshd and its clients: a command, scp, sftp, rsync, a large output before exit, port forwarding.
. "$top_srcdir/tests/proglib.sh"
prog_start sshd ssh scp sftp ssh-keygen ss
dir=$NETLAB_TMP/ssh
mkdir -m 700 "$dir"
mkdir -p /run/sshd
ssh-keygen -q -t ed25519 -N '' -f "$dir/host" && ssh-keygen -q -t ed25519 -N '' -f "$dir/user" || fail "ssh-keygen"
cp "$dir/user.pub" "$dir/authorized"
cat >"$dir/sshd_config" <<END
Port 2222
GatewayPorts clientspecified
HostKey $dir/host
AuthorizedKeysFile $dir/authorized
PidFile $dir/pid
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
Subsystem sftp internal-sftp
END
cat >"$dir/config" <<END
Host *
Port 2222
User root
IdentityFile $dir/user
IdentitiesOnly yes
BatchMode yes
StrictHostKeyChecking no
UserKnownHostsFile /dev/null
LogLevel ERROR
END
sample_file data 4000000
start_b 2222,9002-9005 "$(command -v sshd)" -D -e -f "$dir/sshd_config" 2>"$dir/log"
wait_kcp 2222
# $1 is the program, the rest its arguments; all of them take -F.
client() { prog_name=$1; shift; ask_a 2222 "$prog_name" -F "$dir/config" "$@" || fail "$prog_name: $? $(tail -n 5 "$dir/log")"; }

step "a command and its exit status"
[ "$(client ssh "$NETLAB_B4" echo hello)" = hello ] || fail "no greeting"
ask_a 2222 ssh -F "$dir/config" "$NETLAB_B4" 'exit 7'
[ $? = 7 ] || fail "the exit status is lost"

step "4 MB through ssh's standard streams, both ways"
client ssh "$NETLAB_B4" cat <"$NETLAB_TMP/data" >"$NETLAB_TMP/got"
same "$NETLAB_TMP/data" "$NETLAB_TMP/got"

step "scp and sftp"
client scp "$NETLAB_TMP/data" "$NETLAB_B4:$NETLAB_TMP/up"
same "$NETLAB_TMP/data" "$NETLAB_TMP/up"
client scp "[$NETLAB_B6]:$NETLAB_TMP/data" "$NETLAB_TMP/down"
same "$NETLAB_TMP/data" "$NETLAB_TMP/down"
echo "get $NETLAB_TMP/data $NETLAB_TMP/sftp" >"$dir/batch"
client sftp -q -b "$dir/batch" "$NETLAB_B4" >/dev/null
same "$NETLAB_TMP/data" "$NETLAB_TMP/sftp"

if command -v rsync >/dev/null; then
	step "rsync"
	mkdir "$NETLAB_TMP/tree"
	for i in 1 2 3 4 5; do head -c $((i * 100000)) "$NETLAB_TMP/data" >"$NETLAB_TMP/tree/$i"; done
	ask_a 2222 rsync -a -e "ssh -F $dir/config" "$NETLAB_TMP/tree/" "$NETLAB_B4:$NETLAB_TMP/copy/" || fail "rsync: $?"
	diff -r "$NETLAB_TMP/tree" "$NETLAB_TMP/copy" || fail "the trees differ"
fi

if command -v socat >/dev/null; then
	in_b socat TCP-LISTEN:9000,fork,bind=127.0.0.1 EXEC:cat &
	in_a socat TCP-LISTEN:9000,fork,bind=127.0.0.1 EXEC:cat &
	# echoed WHO PORT: what goes to the port comes back.
	echoed() {
		"$1" 2222,9002-9005 timeout "$PROG_SECONDS" socat -t 20 - "TCP:$2" <"$NETLAB_TMP/data" >"$NETLAB_TMP/forwarded" ||
			fail "socat $2: $?"
		same "$NETLAB_TMP/data" "$NETLAB_TMP/forwarded"
	}
	listens() { [ -n "$("in_$1" ss -Hltun "sport = :$2")" ]; }

	step "forwarded ports: -L, -R and -D, heard by TCP"
	start_a 2222 ssh -F "$dir/config" -N -L 9001:127.0.0.1:9000 -R 9001:127.0.0.1:9000 -D 9006 "$NETLAB_B4"
	for where in 'a 9001' 'b 9001' 'a 9006'; do
		# shellcheck disable=SC2086
		wait_until 20 listens $where || fail "ssh does not listen: $where"
	done
	echoed kcp_a 127.0.0.1:9001
	echoed kcp_b 127.0.0.1:9001
	if command -v curl >/dev/null && command -v python3 >/dev/null; then
		in_b python3 -m http.server -b 127.0.0.1 -d "$NETLAB_TMP" 9007 >/dev/null 2>&1 &
		wait_until 10 listens b 9007 || fail "http.server does not listen"
		tcp_a curl -sS -x socks5h://127.0.0.1:9006 -o "$NETLAB_TMP/got" http://127.0.0.1:9007/data || fail "curl: $?"
		same "$NETLAB_TMP/data" "$NETLAB_TMP/got"
	fi
	kill "$started"
	wait "$started"

	step "forwarded ports that are on KCP themselves"
	start_a 2222,9002-9005 ssh -F "$dir/config" -N -L "$NETLAB_A4:9002:127.0.0.1:9000" -R "$NETLAB_B4:9003:127.0.0.1:9000" "$NETLAB_B4"
	wait_until 20 listens a 9002 && wait_until 20 on_kcp 9003 || fail "ssh does not listen"
	echoed kcp_b "$NETLAB_A4:9002"
	echoed kcp_a "$NETLAB_B4:9003"
fi
exit 0
