#!/usr/bin/env python3
"""socketserver.ThreadingTCPServer with a StreamRequestHandler: readline() on one side, makefile() on the other."""
import socket
import socketserver

from common import HOST, check, run_threads

WORDS = [b"north", b"east", b"south", b"west", b"up", b"down"]


class Lines(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            word = line.strip()
            if word == b"end":
                break
            self.wfile.write(word.upper() + b"\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def serve(port, ready):
    with Server((HOST, port), Lines) as server:
        ready.set()
        server.serve_forever()


def talk(port):
    with socket.create_connection((HOST, port), timeout=20) as sock, sock.makefile("rwb") as stream:
        for word in WORDS:
            stream.write(word + b"\n")
        stream.write(b"end\n")
        stream.flush()
        check(stream.read(), b"".join(word.upper() + b"\n" for word in WORDS))


run_threads(serve, talk)
