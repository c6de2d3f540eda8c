#!/bin/sh
# perl: a forking server that reaps its children, a select() loop, HTTP::Tiny, buffered and unbuffered I/O, half-close.
. "$top_srcdir/tests/proglib.sh"
prog_start perl ss
perl -MIO::Socket::IP -MHTTP::Tiny -MDigest::SHA -e 1 2>/dev/null || skip "perl is without its standard modules"
cat >"$NETLAB_TMP/fork.pl" <<'END'
# An HTTP server: /N gives N bytes, a POST gives its SHA-256. One child for each connection.
use strict; use warnings;
use Digest::SHA qw(sha256_hex); use IO::Socket::IP; use POSIX ":sys_wait_h";
$SIG{CHLD} = sub { local ($!, $?); 1 while waitpid(-1, WNOHANG) > 0; };
my $listener = IO::Socket::IP->new(LocalHost => $ARGV[0], LocalPort => 8080, Listen => 20, ReuseAddr => 1) or die "listen: $@";
while (1) {
	my $s = $listener->accept or next;
	defined(my $child = fork) or die;
	if ($child) { close $s; next; }
	close $listener;
	while (defined(my $request = <$s>)) {
		my ($method, $path) = split ' ', $request;
		my %header;
		while ((my $line = <$s>) =~ /^(.*?): *(.*?)\r\n/) { $header{lc $1} = $2; }
		my $body = "";
		read($s, $body, $header{"content-length"}) if $header{"content-length"};
		my $answer = $method eq "POST" ? sha256_hex($body) : "x" x substr($path, 1);
		printf $s "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Peer: %s\r\n\r\n", length $answer, $s->peerhost;
		print $s $answer;
		$s->flush;
	}
	exit 0;
}
END
cat >"$NETLAB_TMP/select.pl" <<'END'
# Echoes in capitals, many connections in one select() loop, until each half-closes.
use strict; use warnings;
use IO::Select; use IO::Socket::IP;
my $listener = IO::Socket::IP->new(LocalHost => $ARGV[0], LocalPort => 8081, Listen => 20, ReuseAddr => 1) or die "listen: $@";
my ($all, %out, %ended) = (IO::Select->new($listener));
while (1) {
	my $full = IO::Select->new(grep { length($out{$_} // "") } $all->handles);
	my ($r, $w) = IO::Select->select($all, $full);
	for my $s (@$r) {
		if ($s == $listener) { my $new = $s->accept; $new->blocking(0); $all->add($new); $out{$new} = ""; next; }
		next if $ended{$s};
		my $n = sysread $s, my $part, 65536;
		$out{$s} .= uc $part if $n;
		$ended{$s} = 1 if defined $n && $n == 0;
	}
	for my $s (@$w) {
		my $n = syswrite $s, $out{$s};
		substr($out{$s}, 0, $n) = "" if $n;
	}
	for my $s (grep { $ended{$_} && !length $out{$_} } $all->handles) {
		$all->remove($s); delete $out{$s}; delete $ended{$s}; close $s;
	}
}
END
cat >"$NETLAB_TMP/client.pl" <<'END'
use strict; use warnings;
use Digest::SHA qw(sha256_hex); use HTTP::Tiny; use IO::Socket::IP;
my ($host, $me) = @ARGV;
my $base = "http://" . ($host =~ /:/ ? "[$host]" : $host) . ":8080";
my $http = HTTP::Tiny->new(keep_alive => 1, timeout => 30);
for my $n (1, 100, 70_000, 1_500_000) {
	my $r = $http->get("$base/$n");
	$r->{success} && $r->{content} eq "x" x $n && $r->{headers}{"x-peer"} eq $me or die "get $n: $r->{status} $r->{reason}";
}
my $data = join "", map { chr int rand 256 } 1 .. 300_000;
for (1 .. 4) {
	my $r = HTTP::Tiny->new(timeout => 30)->post("$base/", { content => $data });
	$r->{success} && $r->{content} eq sha256_hex($data) or die "post: $r->{status} $r->{reason}";
}
my @children;
for my $i (1 .. 6) {
	defined(my $child = fork) or die;
	if ($child) { push @children, $child; next; }
	my $s = IO::Socket::IP->new(PeerHost => $host, PeerPort => 8081) or die "connect: $@";
	my $text = join "", map { "line $_ of client $i\n" } 1 .. 10_000;
	unless (fork) { print $s $text; $s->flush; $s->shutdown(1); exit 0; }
	local $/;
	my $got = <$s>;
	wait;
	exit($got eq uc $text && $? == 0 ? 0 : 1);
}
for (@children) { waitpid $_, 0; die "a client failed" if $?; }
print "ok\n";
END
for address in "$NETLAB_B4 $NETLAB_A4" "$NETLAB_B6 $NETLAB_A6"; do
	step "$address"
	# shellcheck disable=SC2086
	set -- $address
	start_b 8080,8081 perl "$NETLAB_TMP/fork.pl" "$1" 2>"$NETLAB_TMP/fork.log"
	forking=$started
	start_b 8080,8081 perl "$NETLAB_TMP/select.pl" "$1" 2>"$NETLAB_TMP/select.log"
	selecting=$started
	wait_kcp 8080
	wait_kcp 8081
	[ "$(ask_a 8080,8081 perl "$NETLAB_TMP/client.pl" "$1" "$2" 2>"$NETLAB_TMP/client.log")" = ok ] ||
		fail "client: $(cat "$NETLAB_TMP"/*.log)"
	kill "$forking" "$selecting"
	wait "$forking" "$selecting"
	is_free() { ! on_kcp 8080 && ! on_kcp 8081; }
	wait_until 20 is_free || fail "a port is still bound"
	cat "$NETLAB_TMP"/*.log | grep . && fail "complaints"
done
exit 0
