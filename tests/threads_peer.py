#!/usr/bin/env python3
"""threads_peer: server and clients for prog_threads.sh.

server PORT              answers "SIZE SEED\\n" with so many bytes that follow from the seed, and their SHA-256; SIGUSR1: closes
                         the listening socket and opens another one
client HOST PORT N SIZE [hold [reset]]
                         N connections at once, all open before the first one asks, each checked; hold: prints "open" and waits
                         for a line on standard input before they ask again; reset: which must then fail with ECONNRESET
relay PORT TO            passes datagrams on, from a socket for each client; SIGUSR1: from other sockets from then on, as
                         an address translator does that forgets
"""
import hashlib
import random
import selectors
import signal
import socket
import sys
import threading

DIGEST = 32


def pattern(size, seed):
    return random.Random(seed).randbytes(size)


def read_line(sock):
    line = b""
    while not line.endswith(b"\n"):
        got = sock.recv(64)
        if not got:
            return None
        line += got
    return line


def answer(sock):
    with sock:
        while (line := read_line(sock)) is not None:
            size, seed = map(int, line.split())
            data = pattern(size, seed)
            sock.sendall(data + hashlib.sha256(data).digest())


class Again(Exception):
    pass


def again(signum, frame):
    raise Again


def accept_all(sock):
    with sock:
        while True:
            threading.Thread(target=answer, args=(sock.accept()[0],), daemon=True).start()


def serve(port):
    signal.signal(signal.SIGUSR1, again)
    while True:
        try:
            sock = socket.create_server(("", port), backlog=512)
            print("ready", flush=True)
            accept_all(sock)
        except Again:
            pass


def relay(port, to):
    inner = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    inner.bind(("127.0.0.1", port))
    sel = selectors.DefaultSelector()
    sel.register(inner, selectors.EVENT_READ)
    outer, clients, silent = {}, {}, []

    def forget():
        # Not closed: nobody answers there, not even the kernel.
        for s in outer.values():
            sel.unregister(s)
            silent.append(s)
        outer.clear()
        clients.clear()
        print("forgotten", flush=True)

    wanted = []
    signal.signal(signal.SIGUSR1, lambda *_: wanted.append(1))
    print("ready", flush=True)
    while True:
        if wanted:
            wanted.clear()
            forget()
        for key, _ in sel.select(0.05):
            data, source = key.fileobj.recvfrom(65536)
            if key.fileobj is not inner:
                inner.sendto(data, clients[key.fileobj])
                continue
            if source not in outer:
                s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                s.bind(("127.0.0.1", 0))
                outer[source], clients[s] = s, source
                sel.register(s, selectors.EVENT_READ)
            outer[source].sendto(data, ("127.0.0.1", to))


def ask(sock, size, seed):
    sock.sendall(f"{size} {seed}\n".encode())
    got = b""
    while len(got) < size + DIGEST:
        more = sock.recv(65536)
        if not more:
            raise EOFError(f"{len(got)} of {size + DIGEST} bytes")
        got += more
    if got != pattern(size, seed) + hashlib.sha256(got[:size]).digest():
        raise ValueError("the bytes differ")


def at_once(work, items):
    """Runs work(item) for each in a thread of its own; what failed."""
    failed = []

    def run(item):
        try:
            work(item)
        except Exception as e:
            failed.append(f"{item}: {e!r}")

    threads = [threading.Thread(target=run, args=(i,)) for i in items]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return failed


def client(host, port, count, size, hold, reset):
    socks = [None] * count

    def connect(i):
        socks[i] = socket.create_connection((host, port))

    def last(i):
        try:
            ask(socks[i], size, i + count)
        except ConnectionResetError:
            if not reset:
                raise
        else:
            if reset:
                raise ValueError("it was answered")

    failed = at_once(connect, range(count))
    if not failed:
        failed = at_once(lambda i: ask(socks[i], 100, i), range(count))
    if not failed and hold:
        print("open", flush=True)
        sys.stdin.readline()
    if not failed:
        failed = at_once(last, range(count))
    for f in failed[:10]:
        print(f, file=sys.stderr)
    for s in socks:
        if s is not None:
            s.close()
    sys.exit(1 if failed else 0)


if sys.argv[1] == "server":
    serve(int(sys.argv[2]))
elif sys.argv[1] == "relay":
    relay(int(sys.argv[2]), int(sys.argv[3]))
else:
    client(sys.argv[2], *map(int, sys.argv[3:6]), "hold" in sys.argv, "reset" in sys.argv)
