#!/usr/bin/env python3
"""The program of tcp_peer.py with aiokcp's functions in the place of the standard library's, as aiokcp means to be used.

usage: aiokcp_peer.py STYLE server|client ...   (as tcp_peer.py)
       aiokcp_peer.py check                     tells in a line whether and what of aiokcp can be used
INTEROP_KCP  aiokcp's kcp_kwargs as NAME=NUMBER, separated by commas
INTEROP_KEY, INTEROP_SALT  encrypt with aiokcp's AES-CBC
"""
import asyncio
import os
import sys
import time

import tcp_peer


FLAGS = ("no_delay", "no_congestion_control")


def settings():
    """kcp_kwargs and, with a key, crypto."""
    kwargs = {}
    for word in filter(None, os.environ.get("INTEROP_KCP", "").split(",")):
        name, value = word.split("=")
        kwargs[name] = value == "1" if name in FLAGS else int(value)
    keywords = {"kcp_kwargs": kwargs}
    if "INTEROP_KEY" in os.environ:
        from aiokcp.crypto import get_crypto

        keywords["crypto"] = get_crypto(os.environb[b"INTEROP_KEY"], os.environb[b"INTEROP_SALT"])
    return keywords


class Kcp(tcp_peer.Tcp):
    def __init__(self):
        self.keywords = settings()

    async def create_server(self, factory, host, port):
        return await aiokcp.create_server(factory, host, port, **self.keywords)

    async def create_connection(self, factory, host, port):
        return await aiokcp.create_connection(factory, host, port, **self.keywords)

    async def start_server(self, handler, host, port):
        return await aiokcp.start_server(handler, host, port, **self.keywords)

    async def open_connection(self, host, port):
        return await aiokcp.open_connection(host, port, **self.keywords)

    def listening_socket(self, host, port):
        return aiokcp.sync.KCPSocket.create_server((host, port), **self.keywords)

    def connected_socket(self, host, port):
        return aiokcp.sync.KCPSocket.create_connection((host, port), **self.keywords)

    def threading_server(self, host, port, handler):
        server = aiokcp.sync.KCPThreadingServer((host, port), handler, **self.keywords)
        server.daemon_threads = True
        return server

    async def leave(self):
        # its close() goes on in the background for as long
        await asyncio.sleep(0.3)

    def leave_socket(self, sock):
        # its close() waits for ever when the socket's own thread is waiting for a datagram
        time.sleep(0.3)


def check():
    import importlib.util

    if importlib.util.find_spec("cryptography") is None:
        print("aiokcp")
    else:
        print("aiokcp aes-cbc")


if __name__ == "__main__":
    try:
        import aiokcp
        import aiokcp.sync
    except ImportError as error:
        sys.exit(f"aiokcp is not installed: {error}")
    if sys.argv[1:] == ["check"]:
        check()
    else:
        tcp_peer.main(Kcp(), sys.argv[1:])
