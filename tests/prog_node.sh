#!/bin/sh
# Programs that bring another crypto library: node, which exports its own OpenSSL, as a server and client of HTTPS and HTTP/2, and
# curl with the system's one, over sealed connections; the shim's own primitives and theirs must not meet.
. "$top_srcdir/tests/proglib.sh"
prog_start node curl openssl ss
sample_file blob 3000000
certificate "$NETLAB_TMP/key.pem" "$NETLAB_TMP/cert.pem"
cat >"$NETLAB_TMP/server.js" <<'END'
const fs = require('fs'), http2 = require('http2'), crypto = require('crypto');
const [dir, host] = process.argv.slice(2);
http2.createSecureServer({ key: fs.readFileSync(dir + '/key.pem'), cert: fs.readFileSync(dir + '/cert.pem'), allowHTTP1: true },
	(request, response) => {
		if (request.method === 'GET')
			return fs.createReadStream(dir + '/blob').pipe(response);
		const hash = crypto.createHash('sha256');
		request.on('data', (chunk) => hash.update(chunk));
		request.on('end', () => response.end(hash.digest('hex') + '\n'));
	}).listen(8443, host);
END
cat >"$NETLAB_TMP/client.js" <<'END'
const fs = require('fs'), https = require('https'), crypto = require('crypto');
const [dir, host] = process.argv.slice(2);
const agent = new https.Agent({ ca: fs.readFileSync(dir + '/cert.pem'), keepAlive: true, maxSockets: 4 });
const want = crypto.createHash('sha256').update(fs.readFileSync(dir + '/blob')).digest('hex');
const get = () => new Promise((done, fail) => https.get({ host, port: 8443, agent }, (response) => {
	const hash = crypto.createHash('sha256');
	response.on('data', (chunk) => hash.update(chunk));
	response.on('end', () => hash.digest('hex') === want ? done() : fail(new Error('changed on its way')));
}).on('error', fail));
Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(get)).then(() => { console.log('ok'); agent.destroy(); },
	(error) => { console.error(error); process.exit(1); });
END
start_b 8443 node "$NETLAB_TMP/server.js" "$NETLAB_TMP" "$NETLAB_B4"
wait_kcp 8443
url=https://$NETLAB_B4:8443/
sum=$(sha256sum <"$NETLAB_TMP/blob")

step "curl, HTTP/1.1 and HTTP/2"
for version in 1.1 2; do
	ask_a 8443 curl -sS --fail --http$version --cacert "$NETLAB_TMP/cert.pem" -o "$NETLAB_TMP/got" "$url" || fail "curl: $?"
	same "$NETLAB_TMP/blob" "$NETLAB_TMP/got"
done

step "an upload"
[ "$(ask_a 8443 curl -sS --fail --cacert "$NETLAB_TMP/cert.pem" -T "$NETLAB_TMP/blob" "$url")" = "${sum%% *}" ] || fail "changed on its way"

step "node as client, eight requests over four connections"
[ "$(ask_a 8443 node "$NETLAB_TMP/client.js" "$NETLAB_TMP" "$NETLAB_B4")" = ok ] || fail "node"
kill "$started"
exit 0
