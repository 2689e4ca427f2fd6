"""The server in memory behaves like one on a network, for users' own tests."""

import asyncio

import numpy as np
import pytest

from serverless_dnn.client import ClientOptions, DeadlineError, RequestError, ServerError
from serverless_dnn.client.testing import InMemoryServer

pytest_plugins = ["serverless_dnn.client.pytest_plugin"]


@pytest.fixture
def server() -> InMemoryServer:
    made = InMemoryServer()
    made.serve(
        "double",
        lambda inputs: {"y": 2 * inputs["x"], "n": np.int32(1)},
        inputs={"x": ("float32", [None])},
        outputs={"y": ("float32", [None]), "n": ("int32", [])},
        version=3,
    )
    return made


def test_it_predicts_and_remembers(server: InMemoryServer) -> None:
    with server.client("double") as client:
        prediction = client.predict({"x": [1, 2]}, outputs=["y"])

        assert {name: array.tolist() for name, array in prediction.outputs.items()} == {"y": [2, 4]}
        assert (prediction.model, prediction.version, prediction.timing.server) == ("double", 3, None)
        assert client.ready()
        assert [status.version for status in client.versions()] == [3]
    ((model, inputs),) = server.calls
    assert (model, inputs["x"].dtype, inputs["x"].tolist()) == ("double", np.float32, [1, 2])


def test_it_checks_fails_and_does_not_know(server: InMemoryServer) -> None:
    client = server.client("double")
    with pytest.raises(RequestError, match=r"must be float32\[\?\]"):
        client.predict({"x": [[1]]})
    server.fail_next(DeadlineError("late"))
    with pytest.raises(DeadlineError, match="late"):
        client.predict({"x": [1]})
    assert client.predict({"x": [1]}).outputs["y"].tolist() == [2]
    with pytest.raises(ServerError, match="no model nope: there are double"):
        server.client("nope").predict({"x": [1]})


def test_it_has_asyncio(server: InMemoryServer) -> None:
    async def run() -> list[float]:
        client = server.async_client("double", ClientOptions(timeout_s=1))
        predictions = await asyncio.gather(*(client.predict({"x": [number]}) for number in range(5)))
        return [prediction.outputs["y"].item() for prediction in predictions]

    assert asyncio.run(run()) == [0, 2, 4, 6, 8]


def test_calls_are_logged_for_who_wants_to_know(server: InMemoryServer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG", "serverless_dnn.client"):
        server.client("double").predict({"x": [1]})

    assert "predict double at memory" in caplog.text


def test_the_fixture(model_server: InMemoryServer) -> None:
    model_server.serve("unchecked", lambda inputs: inputs)

    assert model_server.client("unchecked").predict({"any": ["a"]}).outputs["any"].tolist() == [b"a"]
