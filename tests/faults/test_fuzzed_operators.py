"""OpenVINO, asked for by name, answers or refuses whatever a caller sends, and no call ends or stops the process.

`SDNN_FUZZ_CALLS` says how many calls there are in all, and `SDNN_FUZZ_SEED` what they hold.
"""

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pytest
from fuzzed_operators import MODELS
from fuzzed_operators.supervisor import Supervisor

if TYPE_CHECKING:
    from concurrent.futures import Future

    from fuzzed_operators.worker import Outcome

pytestmark = pytest.mark.soak
CALLS, SEED = int(os.environ.get("SDNN_FUZZ_CALLS", "3000")), int(os.environ.get("SDNN_FUZZ_SEED", "1"))
# Of free sizes, and of numbers that tell whose they are.
MIXED_UP = "stacked_of_cubes"


@pytest.fixture(scope="module")
def supervisor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    with Supervisor(tmp_path_factory.mktemp("fuzzed")) as running:
        yield running


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, supervisor: Supervisor) -> Mapping[str, "Future[Outcome]"]:
    """What came of each model that the selected tests are about."""
    wanted = set()
    for item in request.session.items:
        if getattr(item, "originalname", "") == test_every_listed_operator_is_run.__name__:
            wanted |= set(MODELS)
        if "model_name" in getattr(getattr(item, "callspec", None), "params", {}):
            wanted.add(item.callspec.params["model_name"])
    calls = range(-(-CALLS // len(MODELS)))
    return supervisor.submit([name for name in MODELS if name in wanted], SEED, calls)


@pytest.mark.parametrize("model_name", MODELS)
def test_every_call_is_answered_or_refused(model_name: str, outcomes: Mapping[str, "Future[Outcome]"]) -> None:
    outcome = outcomes[model_name].result()
    assert not outcome.faults, f"with SDNN_FUZZ_CALLS={CALLS} SDNN_FUZZ_SEED={SEED}:\n" + "\n".join(outcome.faults)


def test_every_listed_operator_is_run(outcomes: Mapping[str, "Future[Outcome]"]) -> None:
    from serverless_dnn.runtime.engines.openvino.proof.operators import OPERATORS

    run = {
        operator
        for future in outcomes.values()
        if not future.result().refused
        for operator in future.result().operators
    }
    missing = set(OPERATORS) - run
    assert not missing


def test_calls_at_once_get_their_own_answers(supervisor: Supervisor) -> None:
    """OpenVINO mixes up the memory of calls of free sizes that it computes at once: the engine keeps them apart."""
    outcome = supervisor.submit([MIXED_UP], SEED, range(2000))[MIXED_UP].result()
    assert not outcome.faults, "\n".join(outcome.faults)
    assert outcome.counts["answered"] > 1000
