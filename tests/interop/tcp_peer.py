#!/usr/bin/env python3
"""An ordinary TCP program in four styles, server and client of one small protocol in which every byte is checked.

usage: tcp_peer.py STYLE server ADDRESS:PORT [first]
       tcp_peer.py STYLE client ADDRESS:PORT [first] MODE SIZE...
STYLE  protocol (asyncio's protocols), streams (asyncio's streams), sockets, threads (socketserver)
MODE   put   the client sends SIZE random bytes, the server answers with their SHA-256
       get   the server sends SIZE random bytes and their SHA-256
       echo  the client sends SIZE random bytes, the server sends them back
       both  put and get at the same time
first  the server speaks first

A request is 32 bytes of text. At its end the client, being satisfied, says "K"; only then is a connection closed, as some
transports that speak this protocol know no end of stream. The client prints a line for each exchange, and so does the server.
"""
import asyncio
import collections
import hashlib
import os
import socket
import socketserver
import sys
import threading
import time

CHUNK = 60_000
REQUEST = 32
GREETING = b"ready\n"


class Exchange:
    """One exchange without any I/O: receive() what arrives and send what next_chunk() returns, until it is finished."""

    def __init__(self):
        self.expected = collections.deque()   # [bytes left, hash or None, collected bytes, what to do at the end]
        self.outgoing = collections.deque()   # bytes, or [random bytes left, hash], or a hash whose digest is to be sent
        self.finished = False
        self.said = ""

    def expect(self, size, then, hasher=None):
        self.expected.append([size, hasher, bytearray(), then])

    def receive(self, data):
        view = memoryview(data)
        while view:
            if not self.expected:
                raise ValueError(f"{len(view)} bytes too many")
            section = self.expected[0]
            part = bytes(view[:section[0]])
            view = view[len(part):]
            section[0] -= len(part)
            if section[1] is None:
                section[2] += part
            else:
                section[1].update(part)
                self.passed(part)
            if section[0] == 0:
                self.expected.popleft()
                section[3](bytes(section[2]))

    def passed(self, part):
        """A part of a long section went by."""

    def next_chunk(self):
        """What to send next, None when there is nothing now."""
        if not self.outgoing:
            return None
        first = self.outgoing[0]
        if not isinstance(first, list):
            self.outgoing.popleft()
            return first if isinstance(first, bytes) else first.digest()
        chunk = os.urandom(min(CHUNK, first[0]))
        first[0] -= len(chunk)
        first[1].update(chunk)
        if first[0] == 0:
            self.outgoing.popleft()
        return chunk

    def send_random(self, size):
        hasher = hashlib.sha256()
        self.outgoing.append([size, hasher])
        return hasher


class ServerExchange(Exchange):
    def __init__(self, first):
        super().__init__()
        self.echo = False
        if first:
            self.outgoing.append(GREETING)
        self.expect(REQUEST, self.request)

    def request(self, text):
        mode, size = text.decode("ascii").split()
        self.said = f"{mode} {size}"
        size, hasher = int(size), hashlib.sha256()
        self.echo = mode == "echo"
        if mode in ("get", "both"):
            self.outgoing.append(self.send_random(size))
        if mode in ("put", "both"):
            self.expect(size, lambda _: self.outgoing.append(hasher), hasher)
        elif self.echo:
            self.expect(size, lambda _: None, hasher)
        self.expect(1, self.satisfied)

    def passed(self, part):
        if self.echo:
            self.outgoing.append(part)

    def satisfied(self, byte):
        if byte != b"K":
            raise ValueError("the client is not satisfied")
        self.finished = True


class ClientExchange(Exchange):
    def __init__(self, first, mode, size):
        super().__init__()
        self.said = f"{mode} {size}"
        self.outgoing.append(f"{mode} {size}".encode().ljust(REQUEST))
        received = hashlib.sha256()
        self.sums = []
        if first:
            self.expect(len(GREETING), lambda text: self.equal("greeting", text, GREETING))
        sent = self.send_random(size) if mode != "get" else None
        if mode != "put":
            self.expect(size, lambda _: None, received)
        if mode == "echo":
            self.expected[-1][3] = lambda _: self.end("echo", received.digest(), sent.digest())
            return
        if mode in ("get", "both"):
            self.expect(32, lambda digest: self.end("received", received.digest(), digest, mode == "get"))
        if mode in ("put", "both"):
            self.expect(32, lambda digest: self.end("sent", digest, sent.digest()))

    @staticmethod
    def equal(what, have, want):
        if have != want:
            raise ValueError(f"{what}: {have.hex()} instead of {want.hex()}")

    def end(self, what, have, want, last=True):
        self.equal(what, have, want)
        self.sums.append(have.hex())
        if last:
            self.outgoing.append(b"K")
            self.finished = True


class Tcp:
    """Where connections come from; another module may put its own in this place."""

    async def create_server(self, factory, host, port):
        return await asyncio.get_running_loop().create_server(factory, host, port)

    async def create_connection(self, factory, host, port):
        return await asyncio.get_running_loop().create_connection(factory, host, port)

    async def start_server(self, handler, host, port):
        return await asyncio.start_server(handler, host, port)

    async def open_connection(self, host, port):
        return await asyncio.open_connection(host, port)

    def listening_socket(self, host, port):
        return socket.create_server((host, port))

    def connected_socket(self, host, port):
        return socket.create_connection((host, port))

    def threading_server(self, host, port, handler):
        socketserver.ThreadingTCPServer.allow_reuse_address = True
        socketserver.ThreadingTCPServer.daemon_threads = True
        return socketserver.ThreadingTCPServer((host, port), handler)

    async def leave(self):
        """What a client needs before its program may end."""

    def leave_socket(self, sock):
        sock.close()


def report(exchange, how="ok"):
    print("served {} {}".format(exchange.said or "nothing", how), flush=True)


class Protocol(asyncio.Protocol):
    def __init__(self, exchange, over=None):
        self.exchange, self.over, self.paused, self.transport, self.error = exchange, over, False, None, None

    def connection_made(self, transport):
        self.transport = transport
        self.pump()

    def data_received(self, data):
        try:
            self.exchange.receive(data)
        except ValueError as error:
            self.error = error
            self.transport.abort()
            return
        self.pump()

    def pause_writing(self):
        self.paused = True

    def resume_writing(self):
        self.paused = False
        self.pump()

    def pump(self):
        while not self.paused and (chunk := self.exchange.next_chunk()) is not None:
            self.transport.write(chunk)
        if self.exchange.finished and not self.exchange.outgoing:
            self.transport.close()

    def connection_lost(self, exc):
        if not self.exchange.finished and self.error is None:
            self.error = exc or EOFError("the connection ended early")
        if self.over is None:
            report(self.exchange, self.error or "ok")
        elif not self.over.done():
            self.over.set_result(None)


async def talk_stream(reader, writer, exchange):
    more = asyncio.Event()

    async def send():
        while True:
            while (chunk := exchange.next_chunk()) is not None:
                writer.write(chunk)
                await writer.drain()
            if exchange.finished:
                return
            await more.wait()
            more.clear()

    sender = asyncio.create_task(send())
    try:
        while not exchange.finished:
            data = await reader.read(65536)
            if not data:
                raise EOFError("the connection ended early")
            exchange.receive(data)
            more.set()
        await sender
    finally:
        sender.cancel()
    writer.close()
    await writer.wait_closed()


def talk_socket(sock, exchange):
    changed = threading.Condition()
    stop = False

    def send():
        while True:
            with changed:
                changed.wait_for(lambda: exchange.outgoing or exchange.finished or stop)
                chunk = exchange.next_chunk()
            if chunk is None:
                return
            sock.sendall(chunk)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    try:
        while not exchange.finished:
            data = sock.recv(65536)
            if not data:
                raise EOFError("the connection ended early")
            with changed:
                exchange.receive(data)
                changed.notify()
    finally:
        with changed:
            stop = True
            changed.notify()
    sender.join()


async def serve_protocol(net, host, port, first):
    server = await net.create_server(lambda: Protocol(ServerExchange(first)), host, port)
    async with server:
        await server.serve_forever()


async def serve_streams(net, host, port, first):
    async def handle(reader, writer):
        exchange = ServerExchange(first)
        try:
            await talk_stream(reader, writer, exchange)
        except (OSError, EOFError, ValueError) as error:
            report(exchange, error)
        else:
            report(exchange)

    server = await net.start_server(handle, host, port)
    async with server:
        await server.serve_forever()


def handle_socket(sock, first):
    exchange = ServerExchange(first)
    try:
        talk_socket(sock, exchange)
    except (OSError, EOFError, ValueError) as error:
        report(exchange, error)
    else:
        report(exchange)


def serve_sockets(net, host, port, first):
    listener = net.listening_socket(host, port)
    while True:
        sock, _ = listener.accept()
        with sock:
            handle_socket(sock, first)


def serve_threads(net, host, port, first):
    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            handle_socket(self.request, first)

    with net.threading_server(host, port, Handler) as server:
        server.serve_forever()


async def ask_protocol(net, host, port, exchange):
    over = asyncio.get_running_loop().create_future()
    _, protocol = await net.create_connection(lambda: Protocol(exchange, over), host, port)
    await over
    if protocol.error is not None:
        raise protocol.error
    await net.leave()


async def ask_streams(net, host, port, exchange):
    reader, writer = await net.open_connection(host, port)
    await talk_stream(reader, writer, exchange)
    await net.leave()


def ask_sockets(net, host, port, exchange):
    sock = net.connected_socket(host, port)
    talk_socket(sock, exchange)
    net.leave_socket(sock)


SERVERS = {"protocol": serve_protocol, "streams": serve_streams, "sockets": serve_sockets, "threads": serve_threads}
CLIENTS = {"protocol": ask_protocol, "streams": ask_streams, "sockets": ask_sockets, "threads": ask_sockets}


def run(function, *arguments):
    if asyncio.iscoroutinefunction(function):
        return asyncio.run(function(*arguments))
    return function(*arguments)


def main(net, arguments):
    style, role, address, *rest = arguments
    host, port = address.rsplit(":", 1)
    host, port = host.strip("[]"), int(port)
    first = rest[:1] == ["first"]
    if role == "server":
        run(SERVERS[style], net, host, port, first)
        return
    mode, *sizes = rest[first:]
    for size in sizes:
        exchange = ClientExchange(first, mode, int(size))
        begin = time.monotonic()
        try:
            run(CLIENTS[style], net, host, port, exchange)
        except (OSError, EOFError, ValueError) as error:
            sys.exit(f"{mode} {size}: {error!r}")
        print(f"{mode} {size} {time.monotonic() - begin:.2f} {' '.join(s[:16] for s in exchange.sums)}", flush=True)


if __name__ == "__main__":
    main(Tcp(), sys.argv[1:])
