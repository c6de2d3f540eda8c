#!/usr/bin/env python3
"""socket.create_server() and socket.create_connection(): both directions, then a half-close."""
import socket

from common import HOST, check, run_threads, sample

QUESTION = sample(100_000)
ANSWER = sample(300_000)[::-1]


def read_to_end(sock):
    return b"".join(iter(lambda: sock.recv(65536), b""))


def serve(port, ready):
    with socket.create_server((HOST, port)) as listener:
        ready.set()
        while True:
            sock, peer = listener.accept()
            with sock:
                assert sock.getpeername() == peer and sock.getsockname() == (HOST, port)
                check(read_to_end(sock), QUESTION)
                sock.sendall(ANSWER)


def talk(port):
    with socket.create_connection((HOST, port), timeout=20) as sock:
        assert sock.getpeername() == (HOST, port)
        sock.sendall(QUESTION)
        sock.shutdown(socket.SHUT_WR)
        check(read_to_end(sock), ANSWER)


run_threads(serve, talk)
