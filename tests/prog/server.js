// node: an HTTP, an HTTPS and an HTTP/2 server, each served by two workers that share their ports.
'use strict';
const cluster = require('cluster');
const crypto = require('crypto');
const fs = require('fs');
const [key, cert] = process.argv.slice(2);

if (cluster.isPrimary) {
	const workers = [cluster.fork(), cluster.fork()];
	process.on('SIGTERM', () => workers.forEach((worker) => worker.process.kill()));
	cluster.on('exit', (worker, code) => {
		if (code !== 0)
			process.exitCode = 1;
	});
} else {
	const options = { key: fs.readFileSync(key), cert: fs.readFileSync(cert) };
	// /N: N bytes that their number gives; POST: the SHA-256 of what was sent; X-Worker tells who answered.
	const answer = (request, response) => {
		response.setHeader('X-Worker', String(cluster.worker.id));
		if (request.method === 'POST') {
			const sum = crypto.createHash('sha256');
			request.on('data', (part) => sum.update(part));
			request.on('end', () => response.end(sum.digest('hex')));
		} else {
			const size = Number(request.url.slice(1));
			response.end(Buffer.alloc(size, crypto.createHash('sha256').update(String(size)).digest()));
		}
	};
	require('http').createServer(answer).listen(8080);
	require('https').createServer(options, answer).listen(8443);
	require('http2').createSecureServer(options, answer).listen(8444);
	process.on('SIGTERM', () => process.exit(0));
}
