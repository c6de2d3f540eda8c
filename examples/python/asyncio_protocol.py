#!/usr/bin/env python3
"""loop.create_server() and loop.create_connection() with asyncio.Protocol classes: an echo that hangs up first."""
import asyncio

from common import HOST, arguments, check

MESSAGE = b"What goes out must come back."


class EchoOnce(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.received = b""
        assert transport.get_extra_info("sockname")[0] == HOST

    def data_received(self, data):
        self.received += data
        if len(self.received) == len(MESSAGE):
            self.transport.write(self.received)
            self.transport.close()


class Client(asyncio.Protocol):
    def __init__(self, done):
        self.done = done
        self.received = b""

    def connection_made(self, transport):
        transport.write(MESSAGE)

    def data_received(self, data):
        self.received += data

    def connection_lost(self, error):
        self.done.set_result((self.received, error))


async def talk(port):
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    await loop.create_connection(lambda: Client(done), HOST, port)
    received, error = await asyncio.wait_for(done, 20)
    assert error is None
    check(received, MESSAGE)


async def main():
    port, roles = arguments()
    if "server" in roles:
        server = await asyncio.get_running_loop().create_server(EchoOnce, HOST, port)
        if "client" not in roles:
            await server.serve_forever()
    if "client" in roles:
        await talk(port)


asyncio.run(main())
