"""A BentoML service that takes and returns an array's raw bytes over HTTP, with the shape in a header."""

import ctypes
import signal

import bentoml
import numpy as np
from openvino_engine import OpenVinoEngine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

# Linux's PR_SET_PDEATHSIG. `bentoml serve` starts this in a child process, which must not outlive it.
ctypes.CDLL(None).prctl(1, signal.SIGKILL)


async def _predict(request: Request) -> Response:
    shape = [int(length) for length in request.headers["x-shape"].split(",")]
    array = np.frombuffer(await request.body(), np.float32).reshape(shape)
    return Response(bentoml.get_current_service().engine.run(array).tobytes())


# Such a service speaks only HTTP. BentoML's own API takes an array as JSON, or bytes by way of a file on disk; an ASGI
# application mounted into it reads the body from memory, which is the fastest option BentoML has.
@bentoml.service(workers=1, metrics={"enabled": False}, logging={"access": {"enabled": False}})
@bentoml.asgi_app(Starlette(routes=[Route("/predict", _predict, methods=["POST"])]), path="/raw")
class OpenVinoService:
    """A SavedModel in OpenVINO."""

    def __init__(self) -> None:
        self.engine = OpenVinoEngine()
