"""The process of an object store: keeps objects in memory, over TLS. It checks no signature, and dates no URL.

``ObjectStore`` starts it with ``python -m serverless_dnn.bench.targets.object_store_server CERTIFICATE``. It listens on
a loopback port, which it writes into the ready file. What it answers is S3's:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html.
"""

import asyncio
import signal
import ssl
import sys
from dataclasses import dataclass

from aiohttp import web

from serverless_dnn.bench.targets.door_process import listen
from serverless_dnn.bench.targets.ready_file import announce_ready

_MOST_BYTES = 256 << 20
_NO_SUCH_KEY = b"<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>"


@dataclass(frozen=True)
class _Object:
    body: bytes
    content_type: str


class _Store:
    """Objects by path."""

    def __init__(self) -> None:
        self._objects: dict[str, _Object] = {}

    async def put(self, request: web.Request) -> web.Response:
        """Keep an object."""
        content_type = request.headers.get("Content-Type", "binary/octet-stream")
        self._objects[request.path] = _Object(await request.read(), content_type)
        return web.Response()

    async def get(self, request: web.Request) -> web.Response:
        """Answer with an object."""
        if (found := self._objects.get(request.path)) is None:
            return web.Response(status=404, body=_NO_SUCH_KEY, content_type="application/xml")
        return web.Response(body=found.body, headers={"Content-Type": found.content_type})

    async def delete(self, request: web.Request) -> web.Response:
        """Forget an object."""
        self._objects.pop(request.path, None)
        return web.Response(status=204)


async def _serve(certificate: str) -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    store = _Store()
    application = web.Application(client_max_size=_MOST_BYTES)
    application.router.add_put("/{path:.*}", store.put)
    application.router.add_get("/{path:.*}", store.get)
    application.router.add_delete("/{path:.*}", store.delete)
    runner, port = await listen(application, tls=tls)
    announce_ready(port=port)
    await stopping.wait()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
