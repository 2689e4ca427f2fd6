"""A container that gives the same answer to every invocation at once."""

import asyncio
import signal

from aiohttp import web

from serverless_dnn.bench.targets.door_process import listen
from serverless_dnn.bench.targets.null_servers.reply import read_reply
from serverless_dnn.bench.targets.ready_file import announce_ready


async def _serve() -> None:
    reply, content_type = read_reply()

    async def ping(_request: web.Request) -> web.Response:
        return web.Response()

    async def invoke(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=reply, headers={"Content-Type": content_type})

    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    # The platform in front has its own limit.
    application = web.Application(client_max_size=0)
    application.router.add_get("/ping", ping)
    application.router.add_post("/invocations", invoke)
    runner, port = await listen(application)
    announce_ready(port=port)
    await stopping.wait()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(_serve())
