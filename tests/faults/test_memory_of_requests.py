"""Bodies that together need more memory than there is: some are refused, and the server answers the next one."""

import gzip
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import urllib3

CGROUP = Path("/sys/fs/cgroup/memory/sdnn-tests")
LIMIT_BYTES = 2 << 30
# Each inflates to 60 MB, below the limit of one.
BODY = gzip.compress(b'{"instances": [' + b"1.5," * (15 << 20) + b"1]}")
REQUESTS, AT_ONCE = 30, 30


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A cgroup of 2 GiB, where a test may make one."""
    try:
        CGROUP.mkdir(exist_ok=True)
        (CGROUP / "memory.limit_in_bytes").write_text(str(LIMIT_BYTES))
    except OSError as error:
        pytest.skip(f"memory cannot be limited here: {error}")
    yield CGROUP
    # What was in it has ended with the server.
    CGROUP.rmdir()


@pytest.mark.soak
def test_bodies_that_inflate_to_more_than_there_is_are_refused_and_the_server_lives(
    models: Path, tmp_path: Path, cgroup: Path, start_server: Callable[..., Any]
) -> None:
    shutil.copytree(models / "half_plus_two" / "1", tmp_path / "half" / "1")
    # Limited before it looks how much it may use.
    join = f'echo $$ > {cgroup}/cgroup.procs && exec "$@"'
    _, process = start_server(
        *("sh", "-c", join, "sh", "sdnn-model-server", "--port=0", "--rest_api_port=-1", "--host=127.0.0.1"),
        *("--model_name=half", f"--model_base_path={tmp_path / 'half'}", "--engine=openvino"),
    )
    url = f"http://127.0.0.1:{json.loads(process.ready_file.read_text())['rest_api_port']}/v1/models/half"
    http = urllib3.PoolManager(AT_ONCE + 1, maxsize=AT_ONCE + 1, retries=False, timeout=120)
    ended = threading.Event()
    states: list[int] = []

    def look() -> None:
        while not ended.is_set():
            states.append(http.request("GET", url).status)

    def send(_: int) -> int:
        reply = http.request("POST", f"{url}:predict", body=BODY, headers={"Content-Encoding": "gzip"})
        return reply.status

    looking = threading.Thread(target=look)
    looking.start()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        statuses = list(threads.map(send, range(REQUESTS)))
    ended.set()
    looking.join()

    assert set(statuses) <= {200, 429, 504}
    assert 200 in statuses
    assert set(states) == {200}
    reply = http.request("POST", f"{url}:predict", body=b'{"instances": [2]}')
    assert json.loads(reply.data) == {"predictions": [3.0]}
    process.stop(10)
