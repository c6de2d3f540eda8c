# packages: which Debian packages building and testing need, and how to get those that are missing. Sourced.

# One "probe package" a line; a probe is a command, or pc:NAME for a pkg-config module, or file:PATH.
packages_build='
autoreconf autoconf
automake automake
libtoolize libtool
make make
gcc gcc
pkg-config pkg-config
pc:libbsd libbsd-dev
pc:nettle nettle-dev
pc:libisal libisal-dev
file:/usr/include/gmp.h|/usr/include/x86_64-linux-gnu/gmp.h|/usr/include/aarch64-linux-gnu/gmp.h libgmp-dev
pc:check check
'
packages_demo='
python3 python3
curl curl
nginx nginx-light
ss iproute2
'
packages_test='
clang clang
file:/usr/lib/llvm-14/lib/clang|/usr/lib/clang libclang-rt-14-dev
strace strace
git git
ssh openssh-client
sshd openssh-server
rsync rsync
redis-server redis-server
redis-cli redis-tools
socat socat
nc netcat-openbsd
memcached memcached
haproxy haproxy
iperf3 iperf3
gnuplot gnuplot-nox
wrk wrk
psql postgresql-client
file:/usr/lib/postgresql/15/bin/postgres|/usr/lib/postgresql/17/bin/postgres postgresql
openssl openssl
mosquitto mosquitto
mosquitto_pub mosquitto-clients
vsftpd vsftpd
pgrep procps
inetd openbsd-inetd
telnet inetutils-telnet
fcgiwrap fcgiwrap
perl perl
php php-cli
ruby ruby
node nodejs
javac default-jdk-headless
mandoc mandoc
go golang-go
file:/usr/share/gocode/src/github.com/xtaci/kcp-go golang-github-xtaci-kcp-dev
'

packages_has() {
	case $1 in
	pc:*) pkg-config --exists "${1#pc:}" 2>/dev/null ;;
	file:*)
		packages_ifs=$IFS
		IFS='|'
		for packages_path in ${1#file:}; do
			[ -e "$packages_path" ] && { IFS=$packages_ifs; return 0; }
		done
		IFS=$packages_ifs
		return 1
		;;
	*) PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null 2>&1 ;;
	esac
}

# packages_missing LIST: the packages of LIST that are not there.
packages_missing() {
	printf '%s' "$1" | while read -r packages_probe packages_name; do
		[ -z "$packages_probe" ] || packages_has "$packages_probe" || printf '%s ' "$packages_name"
	done
}

# packages_get LIST: installs what is missing. 1 when something still is, with a line that says what.
packages_get() {
	packages_want=$(packages_missing "$1")
	[ -n "$packages_want" ] || return 0
	packages_sudo=
	[ "$(id -u)" = 0 ] || packages_sudo='sudo -n'
	if command -v apt-get >/dev/null 2>&1 && { [ -z "$packages_sudo" ] || sudo -n true 2>/dev/null; }; then
		echo "installing: $packages_want"
		# RUNLEVEL=1 keeps the packages' own services from being started
		{ $packages_sudo apt-get update -qq
		# shellcheck disable=SC2086
		$packages_sudo env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends $packages_want; } </dev/null >/dev/null 2>&1
	fi
	packages_want=$(packages_missing "$1")
	[ -z "$packages_want" ] && return 0
	echo "missing Debian packages: $packages_want"
	return 1
}
