#!/bin/sh
# vsftpd: control connection and data ports, passive and active, on KCP; its children are isolated, chrooted and sandboxed.
. "$top_srcdir/tests/proglib.sh"
prog_start vsftpd curl python3 ss
id -u ftp >/dev/null 2>&1 || skip "there is no user ftp to run the server as"
root=$NETLAB_TMP/ftp
mkdir "$root" "$root/in" "$NETLAB_TMP/empty"
chown ftp "$root/in"
for i in 1 2 3 4; do sample_file "ftp/$i" $((i * 700000)); done
cat >"$NETLAB_TMP/conf" <<END
listen=YES
listen_address=$NETLAB_B4
listen_port=2121
background=NO
anonymous_enable=YES
anon_root=$root
write_enable=YES
anon_upload_enable=YES
anon_umask=022
secure_chroot_dir=$NETLAB_TMP/empty
pasv_min_port=20000
pasv_max_port=20050
connect_from_port_20=NO
xferlog_enable=NO
END
ports=2121,20000-20050,20100-20110
start_b $ports vsftpd "$NETLAB_TMP/conf"
wait_kcp 2121
url=ftp://$NETLAB_B4:2121
ftp() { ask_a $ports curl -sS --fail "$@" || fail "curl $*: $?"; }

step "a listing, downloads by EPSV and by PASV"
[ "$(ftp -l "$url/" | sort | xargs)" = "1 2 3 4 in" ] || fail "another listing: $(ftp "$url/")"
ftp -o "$NETLAB_TMP/got#1" "$url/[1-4]"
for i in 1 2 3 4; do same "$root/$i" "$NETLAB_TMP/got$i"; done
ftp --disable-epsv -o "$NETLAB_TMP/got" "$url/4"
same "$root/4" "$NETLAB_TMP/got"

step "a part of a file, and an upload"
ftp -r 100000-1699999 -o "$NETLAB_TMP/got" "$url/4"
tail -c +100001 "$root/4" | head -c 1600000 >"$NETLAB_TMP/part"
same "$NETLAB_TMP/part" "$NETLAB_TMP/got"
ftp -T "$root/4" "$url/in/up"
same "$root/4" "$root/in/up"

step "the server connects to the client's port"
ftp --disable-eprt -P "$NETLAB_A4:20100-20110" -o "$NETLAB_TMP/got" "$url/3"
same "$root/3" "$NETLAB_TMP/got"

step "six clients at once"
for i in 1 2 3 4 5 6; do
	ask_a $ports curl -sS -o "$NETLAB_TMP/c$i" "$url/2" &
	eval "client$i=$!"
done
for i in 1 2 3 4 5 6; do
	eval "wait \$client$i" || fail "client $i: $?"
	same "$root/2" "$NETLAB_TMP/c$i"
done

step "where the server sees the client, by Python's ftplib"
ask_a $ports python3 - "$NETLAB_B4" "$root/1" <<'END' || fail "ftplib: $?"
import ftplib, io, sys
with ftplib.FTP() as ftp:
    ftp.connect(sys.argv[1], 2121, timeout=30)
    ftp.login()
    assert sorted(ftp.nlst()) == ["1", "2", "3", "4", "in"]
    got = io.BytesIO()
    ftp.retrbinary("RETR 1", got.write)
    assert got.getvalue() == open(sys.argv[2], "rb").read()
    assert "Connected to" in ftp.sendcmd("STAT") and ftp.sock.getsockname()[0] in ftp.sendcmd("STAT")
END
exit 0
