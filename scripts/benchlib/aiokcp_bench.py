#!/usr/bin/env python3
"""The workloads "serve", "bulk" and "rr" of tests/bench_tcp with aiokcp's transports in the place of sockets.

usage: aiokcp_bench.py check | serve ADDRESS PORT | bulk ADDRESS PORT SECONDS | rr ADDRESS PORT MESSAGES INTERVAL_MS BYTES
What is on the wire and what is printed are as in tests/bench_tcp.c; the settings are as those of kcptun-tuned.
"""
import asyncio
import json
import sys
import time

SETTINGS = {"no_delay": True, "update_interval": 10, "resend_count": 2, "no_congestion_control": True, "send_window_size": 1024,
            "receive_window_size": 1024, "stream": 1}
BLOCK = 65536
WRITE = 16384
DRAIN_S = 5
SLICE_S = 0.1
PERIOD = 65536


def make_pattern():
    x, values = 1, bytearray()
    for _ in range(PERIOD):
        x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
        values.append(x >> 24)
    return bytes(values)


PATTERN = make_pattern()


class Server(asyncio.Protocol):
    def __init__(self):
        self.transport, self.workload, self.stop, self.task = None, b"", False, None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        if not self.workload:
            self.workload, data = data[:1], data[1:]
            if self.workload == b"b":
                self.task = asyncio.get_running_loop().create_task(self.blocks())
        if self.workload == b"e" and data:
            self.transport.write(data)
        self.stop = self.stop or data == b"s"

    async def blocks(self):
        """Its write() takes everything, so that its queue has to be watched."""
        last = False
        while not last:
            last = self.stop
            block = (bytes([PATTERN[0] ^ 0xFF]) if last else PATTERN[:1]) + PATTERN[1:]
            for at in range(0, BLOCK, WRITE):
                while self.transport.kcp.get_waitsnd() > SETTINGS["send_window_size"]:
                    await asyncio.sleep(0.002)
                self.transport.write(block[at:at + WRITE])


class Bulk(asyncio.Protocol):
    def __init__(self, start, seconds):
        self.start, self.end, self.total, self.over = start, start + seconds, 0, asyncio.Event()
        self.last, self.series, self.got, self.half = False, [0.0] * int(seconds / SLICE_S), 0, 0

    def data_received(self, data):
        begins = -self.total % BLOCK
        if begins < len(data) and data[begins] == PATTERN[0] ^ 0xFF:
            self.last = True
            data = data[:begins] + PATTERN[:1] + data[begins + 1:]
        at = self.total % BLOCK
        if data != (PATTERN[at:] + PATTERN)[:len(data)]:
            sys.exit(f"wrong data behind byte {self.total}")
        self.total += len(data)
        now = time.monotonic()
        if now < self.end:
            self.got = self.total
            self.series[min(int((now - self.start) / SLICE_S), len(self.series) - 1)] += len(data) * 8e-6 / SLICE_S
            if now < (self.start + self.end) / 2:
                self.half = self.total
        if self.last and self.total % BLOCK == 0:
            self.over.set()


async def bulk(aiokcp, address, port, seconds):
    transport, flow = await aiokcp.create_connection(lambda: Bulk(time.monotonic(), seconds), address, port, kcp_kwargs=SETTINGS)
    transport.write(b"b")
    await asyncio.sleep(seconds)
    transport.write(b"s")
    try:
        await asyncio.wait_for(flow.over.wait(), DRAIN_S)
    except asyncio.TimeoutError:
        pass
    print(json.dumps({"bytes": flow.got, "all_bytes": flow.total, "drained": flow.over.is_set(), "seconds": seconds,
                      "mbit": flow.got * 8e-6 / seconds, "tail_mbit": (flow.got - flow.half) * 16e-6 / seconds, "series": flow.series}))


class Messages(asyncio.Protocol):
    def __init__(self, count, interval, size):
        self.count, self.interval, self.size, self.bytes = count, interval, size, 0
        self.start, self.samples, self.over = time.monotonic(), [], asyncio.Event()

    def data_received(self, data):
        self.bytes += len(data)
        now = time.monotonic()
        while len(self.samples) < self.count and (len(self.samples) + 1) * self.size <= self.bytes:
            self.samples.append(now - (self.start + len(self.samples) * self.interval))
        if len(self.samples) == self.count:
            self.over.set()


async def request_response(aiokcp, address, port, count, interval, size):
    transport, flow = await aiokcp.create_connection(lambda: Messages(count, interval, size), address, port, kcp_kwargs=SETTINGS)
    transport.write(b"e")
    for i in range(count):
        await asyncio.sleep(max(0, flow.start + i * interval - time.monotonic()))
        transport.write(PATTERN[:size])
    try:
        await asyncio.wait_for(flow.over.wait(), 20)
    except asyncio.TimeoutError:
        pass
    found = sorted(1e3 * sample for sample in flow.samples)
    result = {"count": len(found), "asked": count, "cdf": [found[i * (len(found) - 1) // 200] for i in range(201)] if found else []}
    for name, share in (("p50_ms", 0.5), ("p90_ms", 0.9), ("p99_ms", 0.99), ("p999_ms", 0.999), ("max_ms", 1.0)):
        result[name] = found[int(share * (len(found) - 1) + 0.5)] if found else None
    print(json.dumps(result))


async def serve(aiokcp, address, port):
    server = await aiokcp.create_server(Server, address, port, kcp_kwargs=SETTINGS)
    await server.serve_forever()


def main():
    try:
        import aiokcp
    except ImportError as error:
        sys.exit(f"aiokcp is not installed: {error}")
    workload, *words = sys.argv[1:]
    if workload == "serve":
        asyncio.run(serve(aiokcp, words[0], int(words[1])))
    elif workload == "bulk":
        asyncio.run(bulk(aiokcp, words[0], int(words[1]), float(words[2])))
    elif workload == "rr":
        asyncio.run(request_response(aiokcp, words[0], int(words[1]), int(words[2]), float(words[3]) / 1e3, int(words[4])))


main()
