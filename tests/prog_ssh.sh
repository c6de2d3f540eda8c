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
start_b 2222 "$(command -v sshd)" -D -e -f "$dir/sshd_config" 2>"$dir/log"
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
	step "a forwarded port"
	in_b socat TCP-LISTEN:9000,fork,bind=127.0.0.1 EXEC:cat &
	start_a 2222 ssh -F "$dir/config" -N -L 9001:127.0.0.1:9000 "$NETLAB_B4"
	is_forwarded() { [ -n "$(in_a ss -Hltn 'sport = :9001')" ]; }
	wait_until 20 is_forwarded || fail "ssh -L does not listen"
	tcp_a socat -t 20 - TCP:127.0.0.1:9001 <"$NETLAB_TMP/data" >"$NETLAB_TMP/forwarded" || fail "socat: $?"
	same "$NETLAB_TMP/data" "$NETLAB_TMP/forwarded"
fi
exit 0
