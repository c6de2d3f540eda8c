#!/usr/bin/env python3
"""asyncio.start_server() and asyncio.open_connection(): an echo of 21,000 bytes in small reads, then both close."""
import asyncio

from common import HOST, arguments, check, sample

DATA = sample(21_000)


async def echo(reader, writer):
    while data := await reader.read(100):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def talk(port):
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(DATA)
    await writer.drain()
    writer.write_eof()
    check(await asyncio.wait_for(reader.read(-1), 20), DATA)
    writer.close()
    await writer.wait_closed()


async def main():
    port, roles = arguments()
    if "server" in roles:
        server = await asyncio.start_server(echo, HOST, port)
        if "client" not in roles:
            await server.serve_forever()
    if "client" in roles:
        await talk(port)


asyncio.run(main())
