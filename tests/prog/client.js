// node: asks tests/prog/server.js by HTTP, HTTPS and HTTP/2 and checks every byte.
'use strict';
const assert = require('assert');
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const http2 = require('http2');
const https = require('https');
const [certFile, ...hosts] = process.argv.slice(2);
const ca = fs.readFileSync(certFile);
const sizes = [0, 1, 1000, 65536, 300000, 1000000];
const body = (size) => Buffer.alloc(size, crypto.createHash('sha256').update(String(size)).digest());

const ask = (module, host, port, agent, method, path, payload) => new Promise((resolve, reject) => {
	const request = module.request({ host, port, method, path, agent, ca }, (response) => {
		const parts = [];
		response.on('data', (part) => parts.push(part));
		response.on('end', () => resolve({ data: Buffer.concat(parts), worker: response.headers['x-worker'] }));
		response.on('error', reject);
	});
	request.on('error', reject);
	request.end(payload);
});

async function exercise(module, host, port) {
	const kept = new module.Agent({ keepAlive: true, maxSockets: 4 });
	const answers = await Promise.all([...sizes, ...sizes].map((size) => ask(module, host, port, kept, 'GET', '/' + size)));
	answers.forEach((answer, i) => assert(answer.data.equals(body(sizes[i % sizes.length]))));
	kept.destroy();
	const payload = crypto.randomBytes(2000000);
	const sum = await ask(module, host, port, undefined, 'POST', '/', payload);
	assert.strictEqual(sum.data.toString(), crypto.createHash('sha256').update(payload).digest('hex'));
	const workers = new Set();
	for (let i = 0; i < 40 && workers.size < 2; i++)
		workers.add((await ask(module, host, port, false, 'GET', '/1')).worker);
	assert.strictEqual(workers.size, 2, 'only one worker answers');
}

async function exercise2(host, port) {
	const name = host.includes(':') ? `[${host}]` : host;
	const session = http2.connect(`https://${name}:${port}`, { ca });
	await Promise.all(sizes.map((size) => new Promise((resolve, reject) => {
		const stream = session.request({ ':path': '/' + size });
		const parts = [];
		stream.on('data', (part) => parts.push(part));
		stream.on('end', () => {
			try {
				assert(Buffer.concat(parts).equals(body(size)));
				resolve();
			} catch (error) {
				reject(error);
			}
		});
		stream.on('error', reject);
	})));
	session.close();
}

(async () => {
	for (const host of hosts) {
		await exercise(http, host, 8080);
		await exercise(https, host, 8443);
		await exercise2(host, 8444);
	}
	await assert.rejects(ask(http, hosts[0], 8079, undefined, 'GET', '/'), { code: 'ECONNREFUSED' });
	console.log('ok');
})().catch((error) => {
	console.error(error);
	process.exit(1);
});
