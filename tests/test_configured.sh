#!/bin/sh
# The library itself with wrong configurations: one line, status 2, and the program's main() is never reached.
# Then the ways a right one takes effect, seen in which sockets the kernel has.
set -u
build=${top_builddir:-.}
lib=$build/.libs/libkcpshim.so
# An instrumented library needs its run-time library before it.
[ -z "${SANITIZED:-}" ] || exit 77
[ -e "$lib" ] || { echo "no $lib"; exit 1; }
unset XDG_CONFIG_HOME LD_PRELOAD
for v in $(env | sed -n 's/^\(KCPSHIM_[A-Z_]*\)=.*/\1/p'); do unset "$v"; done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 99
export HOME="$dir"
failed=0

fail() {
	echo "FAIL: $*"
	failed=1
}

# The program says "started" when it gets that far.
cat > program.c <<'END'
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
/* program [PORT]: listens on PORT and prints who holds it: the kernel's TCP, or KCP (a UDP socket). */
int main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int s, u;

	puts("started");
	if (argc < 2)
		return 0;
	a.sin_port = htons((unsigned short)atoi(argv[1]));
	s = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(s, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(s, 1) != 0)
		return 1;
	u = socket(AF_INET, SOCK_DGRAM, 0);
	puts(bind(u, (struct sockaddr *)&a, sizeof(a)) != 0 ? "kcp" : "tcp");
	return 0;
}
END
${CC:-cc} -o program program.c || exit 99

# Only the command itself runs with the library.
preloaded() {
	(LD_PRELOAD=$lib; export LD_PRELOAD; exec "$@")
}

# refused TEXT VARIABLE=VALUE...
refused() {
	text=$1
	shift
	(export "$@"; preloaded ./program) >out 2>err
	got=$?
	[ $got = 2 ] || fail "$*: status $got: $(cat err)"
	[ ! -s out ] || fail "$*: the program started"
	[ "$(wc -l <err)" = 1 ] || fail "$*: not one line: $(cat err)"
	grep -Fq -- "kcpshim: $text" err || fail "$*: \"$(cat err)\" lacks \"$text\""
}

# held WHO PORT VARIABLE=VALUE...
held() {
	who=$1 port=$2
	shift 2
	(export "$@"; preloaded ./program "$port") >out 2>err
	got=$?
	[ $got = 0 ] && [ ! -s err ] || fail "$*: status $got: $(cat err)"
	[ "$(tail -1 out)" = "$who" ] || fail "$*: port $port is $(tail -1 out), not $who"
}

echo "--- refused before main()"
printf '# x\nkcp any *:9000-8000\n' > rules
refused "$dir/rules:2: \"9000-8000\" is upside down" KCPSHIM_RULES="$dir/rules"
printf 'kcp any *:1 speed=9\n' > rules
refused 'rules:1: unknown option "speed"' KCPSHIM_RULES=rules
refused 'missing: No such file or directory' KCPSHIM_RULES=missing
refused 'KCPSHIM_RULES_TEXT:2: "udp" is not an action' KCPSHIM_RULES_TEXT='tcp any *:1
udp any *:1'
refused 'KCPSHIM_PORTS: "99999" is not a port' KCPSHIM_PORTS=99999
refused 'unknown environment variable KCPSHIM_MODEL' KCPSHIM_MODEL=fast
refused 'KCPSHIM_MODE: mode=quick is not one of' KCPSHIM_MODE=quick
refused 'KCPSHIM_LOG: "loud"' KCPSHIM_LOG=loud
refused 'environment: /missing/key: No such file' KCPSHIM_KEY_FILE=/missing/key
echo 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=' > key
chmod 640 key
refused "environment: $dir/key: permissions 0640 are too open" KCPSHIM_KEY_FILE=key
# A mistake is one for programs that no rule names, too.
refused 'rules:1: ' KCPSHIM_RULES=rules KCPSHIM_RULES_TEXT='tcp any *:*'

echo "--- taken"
held tcp 8080 KCPSHIM_MODE=fast
held kcp 8080 KCPSHIM_PORTS=8080
held tcp 8081 KCPSHIM_PORTS=8080
held kcp 8080 KCPSHIM_RULES_TEXT='kcp listen 127.0.0.0/8:8080'
held tcp 8080 KCPSHIM_RULES_TEXT='kcp connect *:8080'
held tcp 8080 KCPSHIM_RULES_TEXT='kcp any *:8080 program=other'
held kcp 8080 KCPSHIM_RULES_TEXT='kcp any *:8080 program=prog*'
held tcp 8080 KCPSHIM_RULES_TEXT='tcp any *:8080' KCPSHIM_PORTS=8080
echo 'kcp any *:8080-8082' > rules
held kcp 8082 KCPSHIM_RULES="$dir/rules"
held tcp 8082 KCPSHIM_RULES="$dir/rules" KCPSHIM_RULES_TEXT='tcp any *:8082'
mkdir -p .config/kcpshim
cp rules .config/kcpshim/rules
held kcp 8082 HOME="$dir"
mkdir -p xdg/kcpshim
echo 'tcp any *:*' > xdg/kcpshim/rules
held tcp 8082 XDG_CONFIG_HOME="$dir/xdg"
rm -r .config xdg

if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	echo "--- a setuid program"
	# The loader drops LD_PRELOAD names with a slash there; a name in the trusted path would need an installation.
	cp program suid && chmod 4755 suid && chmod 755 "$dir"
	(export KCPSHIM_PORTS=bogus; preloaded setpriv --reuid 12345 --clear-groups true) >out 2>err
	[ $? = 2 ] || fail "setpriv itself is no setuid program"
	(export KCPSHIM_PORTS=bogus LIB="$lib"
	setpriv --reuid 12345 --clear-groups sh -c 'LD_PRELOAD=$LIB ./suid 8080') >out 2>err
	[ "$(tail -1 out)" = tcp ] || fail "setuid: $(cat out err)"
fi

echo "--- kcpctl and a living engine"
kcpctl=$build/kcpctl
cat > pair.py <<'END'
import socket, subprocess, sys, json
kcpctl = sys.argv[1]
env = {"PATH": "/usr/bin:/bin"}
def ctl(*args, status=0):
    p = subprocess.run([kcpctl, *args], env=env, capture_output=True, text=True)
    assert p.returncode == status, (args, p)
    return p.stdout
server = socket.create_server(("127.0.0.1", 8080))
client = socket.create_connection(("127.0.0.1", 8080))
peer, _ = server.accept()
client.sendall(b"x" * 1000)
assert len(peer.recv(1000, socket.MSG_WAITALL)) == 1000
# The acknowledgement, which brings the round trip, may still be on its way.
for _ in range(100):
    rows = json.loads(ctl("status", "-j"))
    role = {r["role"]: r for r in rows}
    if role["connect"]["send_queue"] == 0:
        break
assert len(rows) == 3 and set(role) == {"listen", "connect", "accept"}, rows
assert role["listen"]["local"] == "127.0.0.1:8080" and role["listen"]["state"] == "listen"
c, a = role["connect"], role["accept"]
assert c["peer"] == "127.0.0.1:8080" and a["local"] == "127.0.0.1:8080" and c["local"] == a["peer"]
assert c["local"] == "%s:%d" % client.getsockname(), (c, client.getsockname())
assert c["state"] == a["state"] == "estab" and c["bytes_sent"] == a["bytes_received"] == 1000, rows
assert c["program"].startswith("python3") and c["rtt_us"] > 0
assert len(ctl("status").splitlines()) == 4
ctl("set", c["session"], "send_window_size=99")
ctl("set", c["session"], "rate=1M")
ctl("set", c["session"], "wire=session", status=1)
client.sendall(b"y" * 1000)
assert len(peer.recv(1000, socket.MSG_WAITALL)) == 1000
client.close()
peer.close()
END
(export KCPSHIM_PORTS=8080; preloaded python3 pair.py "$kcpctl") || fail "kcpctl with an engine"

[ $failed = 0 ] && echo "all passed"
exit $failed
