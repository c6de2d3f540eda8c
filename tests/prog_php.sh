#!/bin/sh
# php: its web server with four workers, and its streams as a client: HTTP, uploads, stream_select over many sockets.
. "$top_srcdir/tests/proglib.sh"
prog_start php curl pkill ss
mkdir "$NETLAB_TMP/www"
sample_file www/file 3000000
echo '<?php echo $_SERVER["REQUEST_METHOD"] === "POST" ? hash("sha256", file_get_contents("php://input")) : $_SERVER["REMOTE_ADDR"];' >"$NETLAB_TMP/www/index.php"
cat >"$NETLAB_TMP/client.php" <<'END'
<?php
[, $host, $me, $file] = $argv;
$base = "http://" . (str_contains($host, ":") ? "[$host]" : $host) . ":8080";
$data = file_get_contents($file);
function check($ok, $what) { if (!$ok) { fwrite(STDERR, "wrong: $what\n"); exit(1); } }
check(file_get_contents("$base/file") === $data, "get");
check(file_get_contents("$base/index.php") === $me, "address");
$post = stream_context_create(["http" => ["method" => "POST", "content" => $data, "header" => "Content-Type: application/octet-stream"]]);
check(file_get_contents("$base/index.php", false, $post) === hash("sha256", $data), "post");
// Eight requests at once in one loop.
$streams = $got = [];
for ($i = 0; $i < 8; $i++) {
	$s = stream_socket_client(str_replace("http", "tcp", $base), $errno, $error, 30, STREAM_CLIENT_CONNECT | STREAM_CLIENT_ASYNC_CONNECT);
	check($s !== false, "connect: $error");
	stream_set_blocking($s, false);
	$streams[$i] = $s;
	$got[$i] = "";
}
$waiting = $streams;
while ($streams) {
	$r = array_values($streams);
	$w = array_values($waiting);
	$none = null;
	check(stream_select($r, $w, $none, 30) > 0, "select");
	foreach ($w as $s) {
		$i = array_search($s, $streams, true);
		check(fwrite($s, "GET /file HTTP/1.0\r\n\r\n") === 22, "write");
		unset($waiting[$i]);
	}
	foreach ($r as $s) {
		$i = array_search($s, $streams, true);
		$got[$i] .= fread($s, 1 << 16);
		if (feof($s)) {
			fclose($s);
			unset($streams[$i]);
		}
	}
}
foreach ($got as $i => $answer)
	check(explode("\r\n\r\n", $answer, 2)[1] === $data, "stream $i");
echo "ok\n";
END
for address in "$NETLAB_B4 $NETLAB_A4" "$NETLAB_B6 $NETLAB_A6"; do
	step "$address"
	# shellcheck disable=SC2086
	set -- $address
	case $1 in *:*) at="[$1]" ;; *) at=$1 ;; esac
	start_b 8080 env PHP_CLI_SERVER_WORKERS=4 php -S "$at:8080" -t "$NETLAB_TMP/www" >"$NETLAB_TMP/server.log" 2>&1
	wait_kcp 8080
	[ "$(ask_a 8080 php "$NETLAB_TMP/client.php" "$1" "$2" "$NETLAB_TMP/www/file" 2>"$NETLAB_TMP/client.log")" = ok ] ||
		fail "client: $(cat "$NETLAB_TMP/client.log"; tail -n 5 "$NETLAB_TMP/server.log")"
	ask_a 8080 curl -sS -g -o "$NETLAB_TMP/got" "http://$at:8080/file" || fail "curl: $?"
	same "$NETLAB_TMP/www/file" "$NETLAB_TMP/got"
	# The first of the processes waits for the workers but does not end them.
	pkill -INT -P "$started"
	kill -INT "$started"
	wait "$started"
	is_free() { ! on_kcp 8080; }
	wait_until 20 is_free || fail "the port is still bound"
done
exit 0
