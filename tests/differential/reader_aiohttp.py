"""aiohttp as a reader: ``python -m tests.differential.reader_aiohttp PORT``."""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web

from tests.differential.readings import write


async def read(request: web.BaseRequest) -> web.Response:
    body = await request.read()
    fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers]
    target = request.raw_path.encode("utf-8", "surrogateescape").decode("latin-1")
    write(request.method, target, fields, body)
    return web.Response(text="read")


async def serve(port: int) -> None:
    runner = web.ServerRunner(web.Server(read, max_line_size=1 << 18, max_field_size=1 << 18))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


asyncio.run(serve(int(sys.argv[1])))
