#!/bin/sh
# Paths with a narrow link behind a router: every byte arrives, whether the router tells of it or not.
. "$top_srcdir/tests/netlab.sh"
[ -z "$SANITIZED" ] || skip "programs run without the sanitizer's runtime"
need python3
shim=$top_builddir/.libs/libkcpshim.so
router=kcps-$$-r
at_exit 'netlab_empty "$router"; ip netns del "$router" 2>/dev/null'
netlab_make
ip netns add "$router" || skip "cannot make a network namespace"
r() { ip netns exec "$router" "$@"; }

# a 10.77.1.1 - 10.77.1.254 router 10.77.2.254 - 10.77.2.2 b, and the same for IPv6
ip link add ka netns "$netlab_a" type veth peer name ra netns "$router" || skip "there are no veth devices"
ip link add kb netns "$netlab_b" type veth peer name rb netns "$router"
ip -n "$netlab_a" addr add 10.77.1.1/24 dev ka
ip -n "$netlab_b" addr add 10.77.2.2/24 dev kb
ip -n "$router" addr add 10.77.1.254/24 dev ra
ip -n "$router" addr add 10.77.2.254/24 dev rb
ip -n "$netlab_a" addr add fd77:1::1/64 dev ka nodad
ip -n "$netlab_b" addr add fd77:2::2/64 dev kb nodad
ip -n "$router" addr add fd77:1::254/64 dev ra nodad
ip -n "$router" addr add fd77:2::254/64 dev rb nodad
for end in "$netlab_a ka" "$netlab_b kb" "$router ra" "$router rb" "$router lo"; do
	# shellcheck disable=SC2086
	ip -n ${end% *} link set ${end#* } up
done
ip -n "$netlab_a" route add default via 10.77.1.254
ip -n "$netlab_b" route add default via 10.77.2.254
ip -n "$netlab_a" -6 route add default via fd77:1::254
ip -n "$netlab_b" -6 route add default via fd77:2::254
r sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'

# What the router says itself is dropped, what it forwards is not.
mute() {
	ip -n "$router" rule add iif lo to 10.77.1.1 prohibit pref 1
	ip -n "$router" -6 rule add iif lo to fd77:1::1 prohibit pref 1
}
speak() {
	ip -n "$router" rule del pref 1
	ip -n "$router" -6 rule del pref 1
}
narrow() { ip -n "$router" link set rb mtu "$1"; }

ip netns exec "$netlab_b" env LD_PRELOAD="$shim" KCPSHIM_PORTS=7901 python3 "$top_srcdir/tests/mtu_transfer.py" receive 7901 &
remember $!
ip netns exec "$netlab_b" env LD_PRELOAD="$shim" KCPSHIM_PORTS=7902 KCPSHIM_WIRE=plain \
	python3 "$top_srcdir/tests/mtu_transfer.py" receive 7902 &
remember $!
wait_until 20 in_b sh -c 'ss -Hlun "sport = :7901" | grep -q . && ss -Hlun "sport = :7902" | grep -q .' || fail "no receiver"

# moved LEAST MOST WIRE ADDRESS BYTES [COMMAND]: the size of datagrams ends between LEAST and MOST.
moved() {
	least=$1 most=$2 wire=$3 to=$4 bytes=$5
	shift 5
	port=7901
	[ "$wire" = session ] || port=7902
	size=$(in_a timeout 60 env LD_PRELOAD="$shim" KCPSHIM_RULES="$NETLAB_TMP/rules-$wire" \
		python3 "$top_srcdir/tests/mtu_transfer.py" send "$to" $port "$bytes" "$@") || fail "$wire to $to: $?"
	echo "$wire to $to: datagrams of $size bytes"
	{ [ "$size" -ge "$least" ] && [ "$size" -le "$most" ]; } || fail "$least to $most were expected"
}
for wire in session plain; do
	echo "kcp connect *:7901-7902 wire=$wire rate=4M" >"$NETLAB_TMP/rules-$wire"
done

echo "--- 1500 bytes everywhere"
moved 1472 1472 session 10.77.2.2 1000000
moved 1452 1452 session fd77:2::2 1000000
echo "--- 1300 bytes behind a router that tells"
narrow 1300
moved 1272 1272 session 10.77.2.2 1000000
moved 1252 1252 session fd77:2::2 1000000
echo "--- and behind one that does not"
mute
moved 1200 1272 session 10.77.2.2 4194304
moved 1200 1252 session fd77:2::2 1000000
echo "--- the path becomes narrower in the middle"
narrow 1500
moved 1200 1272 session 10.77.2.2 4194304 "ip -n $router link set rb mtu 1300"
narrow 1500
moved 1200 1372 plain 10.77.2.2 4194304 "ip -n $router link set rb mtu 1300"
echo "--- the host's own device is narrow"
speak
narrow 1500
ip -n "$netlab_a" link set ka mtu 1300
moved 1272 1272 session 10.77.2.2 1000000
exit 0
