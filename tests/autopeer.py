"""Peers of prog_auto.sh: a TCP server on eight ports and a client of every kind of connect()."""
import asyncio
import errno
import hashlib
import select
import socket
import struct
import sys
import threading

ROLE, HOST, PORT = sys.argv[1], sys.argv[2], int(sys.argv[3])
PORTS = range(PORT, PORT + 8)
DATA = hashlib.sha512(b"seed").digest() * 16000  # 1 MB


def serve_one(conn):
    """First byte: what to do. 'e' echo until the end, 'r' reset, 'w' tell who you are."""
    with conn:
        what = conn.recv(1)
        if what == b"e":
            while chunk := conn.recv(65536):
                conn.sendall(chunk)
        elif what == b"r":
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif what == b"w":
            conn.sendall(repr(conn.getpeername()).encode())


def serve():
    listeners = [socket.create_server((HOST, port), backlog=64) for port in PORTS]
    while True:
        for listener in select.select(listeners, [], [])[0]:
            threading.Thread(target=serve_one, args=(listener.accept()[0],), daemon=True).start()


def receive_all(sock):
    got = b""
    while chunk := sock.recv(65536):
        got += chunk
    return got


def exchange(sock):
    def send():
        sock.sendall(b"e" + DATA)
        sock.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    assert receive_all(sock) == DATA
    sender.join()


def blocking(port):
    return socket.create_connection((HOST, port), 20)


def nonblocking(port):
    """Connected, by poll() and SO_ERROR as event loops do it."""
    sock = socket.socket()
    sock.setblocking(False)
    assert sock.connect_ex((HOST, port)) == errno.EINPROGRESS
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    assert poll.poll(20000)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    sock.setblocking(True)
    return sock


async def streams(port):
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(b"e" + DATA)
    writer.write_eof()
    assert await reader.read() == DATA
    writer.close()


def expect_reset(sock):
    sock.sendall(b"r")
    try:
        assert sock.recv(1) == b"", "bytes out of nowhere"
        raise AssertionError("an orderly end instead of a reset")
    except ConnectionResetError:
        pass


def client():
    # A port is known to be without KCP after its first connection: the second round differs from the first.
    for _ in range(2):
        ports = iter(PORTS)
        for connect in nonblocking, blocking:
            with connect(next(ports)) as sock:
                exchange(sock)
            with connect(next(ports)) as sock:
                expect_reset(sock)
            port = next(ports)
            with connect(port) as sock:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
                assert sock.getpeername() == (HOST, port)
                sock.sendall(b"w")
                assert receive_all(sock).decode() == repr(sock.getsockname())
        asyncio.run(streams(next(ports)))


def refused():
    for attempt in range(2):
        with socket.socket() as sock:
            assert sock.connect_ex((HOST, PORT)) == errno.ECONNREFUSED
        with socket.socket() as sock:
            sock.setblocking(False)
            assert sock.connect_ex((HOST, PORT)) == errno.EINPROGRESS
            poll = select.poll()
            poll.register(sock, select.POLLOUT)
            assert poll.poll(20000)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED


def hold():
    with socket.create_connection((HOST, PORT)) as sock:
        sock.recv(1)


def swallow():
    socks = []
    for port in PORTS:
        socks.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        socks[-1].bind((HOST, port))
    while True:
        for sock in select.select(socks, [], [])[0]:
            sock.recv(65536)


{"serve": serve, "client": client, "refused": refused, "hold": hold, "swallow": swallow}[ROLE]()
