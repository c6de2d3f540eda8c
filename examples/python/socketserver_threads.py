#!/usr/bin/env python3
"""socketserver.ThreadingTCPServer with a BaseRequestHandler: four clients at once, each gets its bytes back."""
import socket
import socketserver
from concurrent.futures import ThreadPoolExecutor

from common import HOST, check, run_threads, sample


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(4096):
            self.request.sendall(data)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def serve(port, ready):
    with Server((HOST, port), Echo) as server:
        ready.set()
        server.serve_forever()


def one_client(port, data):
    received = bytearray()
    with socket.create_connection((HOST, port), timeout=20) as sock:
        for first in range(0, len(data), 7000):
            part = data[first:first + 7000]
            sock.sendall(part)
            wanted = len(received) + len(part)
            while len(received) < wanted:
                received += sock.recv(2048) or b"?"
    return bytes(received)


def talk(port):
    payloads = [sample(20_000 + n * 9_001) for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for received, data in zip(pool.map(lambda data: one_client(port, data), payloads), payloads):
            check(received, data)


run_threads(serve, talk)
