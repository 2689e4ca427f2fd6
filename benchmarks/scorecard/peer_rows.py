"""Our server against other model servers with the same model, bytes and concurrency; and our server's own floor."""

import statistics
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from cloudrun_server import start_cloudrun
from identity_model import SIZES, save_identity
from peer_calls import MODEL, PREDICT, Call, Payload
from peer_servers import PEERS, Peer, PeerError, find_command, first_answer, guarded, start_peer
from rows import Effort, Row, interleave, quartiles, ratio_row

from serverless_dnn.bench.experiments.outputs import MAX_DIFFERENCE
from serverless_dnn.models.workload import make_request

_BAR = 1.5
_CONCURRENCY = 8
_MODEL = "mobilenet_v1"
_TURN = 10
_MAX_TURNS, _MIN_TURNS = 30, 2
_THROUGHPUT_ROUND_S = 1.0
_MAX_REQUESTS = 800
_FLOOR_REQUESTS = 2000


def peer_rows(models: Path, effort: Effort) -> Iterator[Row]:
    """``peer.<name>.<model-or-size>.<latency|throughput>``.

    Args:
        models: A folder of the exported models.
        effort: How long to measure.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        identity = [Payload(label, "x", np.arange(count, dtype=np.float32)) for label, count in SIZES.items()]
        ((name, array),) = make_request(_MODEL).items()
        payloads = {save_identity(root / "identity"): identity, models / _MODEL: [Payload(_MODEL, name, array)]}
        for peer in PEERS:
            try:
                command = find_command(peer)
                for number, (model_folder, sent) in enumerate(payloads.items()):
                    yield from _compare(peer, command, model_folder, sent, root / f"{peer.name}-{number}", effort)
            except PeerError as error:
                yield Row(f"peer.{peer.name}", None, _BAR, "n/a", "x", None, 0, str(error))


def _compare(
    peer: Peer, command: str, folder: Path, payloads: list[Payload], work: Path, effort: Effort
) -> Iterator[Row]:
    work.mkdir()
    with ExitStack() as running:
        process, address = start_peer(running, peer, command, folder, work)
        our_address = start_cloudrun(running, MODEL, folder, work)
        for payload in payloads:
            with ExitStack() as open_calls:
                ours = PREDICT.open(open_calls, our_address, payload)
                theirs = peer.protocol.open(open_calls, address, payload)
                expected, found = PREDICT.decode(ours()), peer.protocol.decode(first_answer(process, theirs))
                if expected.shape != found.shape or not np.allclose(expected, found, rtol=0, atol=MAX_DIFFERENCE):
                    raise PeerError(f"its answer to {payload.label} is not ours: {found[:5]}, not {expected[:5]}")
                yield from _measure(f"peer.{peer.name}.{payload.label}", peer.title, ours, guarded(theirs), effort)


def _measure(name: str, title: str, ours: Call, theirs: Call, effort: Effort) -> Iterator[Row]:
    sides = {"theirs": theirs, "ours": ours}
    tried = interleave(sides, 3)
    theirs_s = statistics.median(tried["theirs"])
    turns = int(effort.of(8, 1) / _TURN / (theirs_s + statistics.median(tried["ours"])))
    timed: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(min(max(turns, _MIN_TURNS), _MAX_TURNS)):
        for side, call in sides.items():
            # A server still frees memory after responding, which must not be charged to the other side.
            timed[side] += interleave({side: call}, _TURN, warm_up=2)[side]
    note = f"p50 of {title} / of sdnn-cloudrun, one request at a time"
    yield ratio_row(f"{name}.latency", timed["theirs"], timed["ours"], _BAR, note)

    requests = min(max(int(_THROUGHPUT_ROUND_S / theirs_s), 2 * _CONCURRENCY), _MAX_REQUESTS)
    with ThreadPoolExecutor(_CONCURRENCY) as threads:
        bursts = {side: lambda call=call: _burst(threads, call, requests) for side, call in sides.items()}
        rounds = interleave(bursts, effort.of(7, 1), warm_up=effort.of(1, 0))
    each = {side: [seconds / requests for seconds in values] for side, values in rounds.items()}
    note = f"time per request in {title} / in sdnn-cloudrun, concurrency {_CONCURRENCY}"
    yield ratio_row(f"{name}.throughput", each["theirs"], each["ours"], _BAR, note)


def _burst(threads: ThreadPoolExecutor, call: Call, requests: int) -> None:
    for _ in threads.map(lambda _: call(), range(requests)):
        pass


def floor_rows(effort: Effort) -> Iterator[Row]:
    """``floor.cloudrun.null``: our server with a model that returns the one number it gets; nothing can be faster.

    Args:
        effort: How long to measure.
    """
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        root = Path(folder)
        address = start_cloudrun(running, MODEL, save_identity(root / "identity"), root)
        call = PREDICT.open(running, address, Payload("null", "x", np.ones(1, np.float32)))
        latencies = interleave({"ours": call}, effort.of(1000, 200), warm_up=100)["ours"]
        with ThreadPoolExecutor(_CONCURRENCY) as threads:
            rounds = interleave({"ours": lambda: _burst(threads, call, _FLOOR_REQUESTS)}, effort.of(7, 2))["ours"]
    values = {
        "latency": ([seconds * 1e3 for seconds in latencies], "ms", "p50 of an identity model of one float"),
        "throughput": (
            [_FLOOR_REQUESTS / seconds for seconds in rounds],
            "requests/s",
            f"the same, concurrency {_CONCURRENCY}",
        ),
    }
    for kind, (measured, unit, note) in values.items():
        value = statistics.median(measured)
        yield Row(
            f"floor.cloudrun.null.{kind}",
            value,
            0,
            "n/a",
            unit,
            quartiles(measured),
            len(measured),
            f"no bar: {note}",
        )
