#!/bin/sh
# A link that marks instead of dropping: over IPv4 and IPv6 datagrams go out with ECT(0), CE comes back as counts, and TCP_INFO and
# kcpctl tell of both. With ecn=off nothing is marked.
. "$top_srcdir/tests/netlab.sh"
[ -z "$SANITIZED" ] || skip "programs run without the sanitizer's runtime"
need python3
shim=$top_builddir/.libs/libkcpshim.so

# marked: packets that the link gave CE so far, from a to b.
marked() { netlab_stats | sed -n 's/.*"ab": {[^}]*"marked": \([0-9]*\).*/\1/p'; }

# moved ADDRESS ECN: the sender's line, and before it the packets marked.
moved() {
	echo "kcp connect *:7903 ecn=$2" >"$NETLAB_TMP/rules"
	before=$(marked)
	line=$(in_a timeout 60 env LD_PRELOAD="$shim" KCPSHIM_RULES="$NETLAB_TMP/rules" \
		python3 "$top_srcdir/tests/ecn_transfer.py" send "$1" 7903 2000000 "$top_builddir/kcpctl") || fail "to $1: $?"
	ce=$(($(marked) - before))
	read -r options delivered delivered_ce state sent_marked status_ce datagrams <<-EOF
		$line
	EOF
	echo "to $1, ecn=$2: the link marked $ce; options $options, delivered $delivered, CE $delivered_ce;" \
		"$state, $sent_marked of $datagrams marked, CE $status_ce"
}

netlab_start rate=20M delay=10ms queue=200ms ab.mark=10ms
in_b env LD_PRELOAD="$shim" KCPSHIM_PORTS=7903 python3 "$top_srcdir/tests/ecn_transfer.py" receive 7903 &
remember $!
wait_until 20 in_b sh -c 'ss -Hlun "sport = :7903" | grep -q .' || fail "no receiver"

for address in "$NETLAB_B4" "$NETLAB_B6"; do
	moved "$address" on
	[ "$state" = capable ] || fail "the path was found $state"
	[ $((sent_marked * 2)) -gt "$datagrams" ] || fail "few datagrams were marked"
	[ "$ce" -gt 0 ] || fail "the link marked nothing"
	[ "$delivered_ce" -gt 0 ] || fail "no CE came back"
	{ [ "$delivered_ce" -le "$ce" ] && [ "$delivered_ce" -le "$delivered" ]; } || fail "more CE than there was"
	[ "$status_ce" -ge "$delivered_ce" ] || fail "kcpctl says less than TCP_INFO did before"
	[ $((options & 8)) -ne 0 ] || fail "TCPI_OPT_ECN is missing"
done
moved "$NETLAB_B4" off
[ "$state $options $sent_marked $ce $delivered_ce" = "off 0 0 0 0" ] || fail "something was marked"
exit 0
