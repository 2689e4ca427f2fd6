"""Engine `auto` answers as TensorFlow does, for every model of the corpus and every call."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest
from corpus import MODELS

if TYPE_CHECKING:
    from concurrent.futures import Future

    from harness.worker import Verdict

# Whichever test comes first waits until every model is built.
pytestmark = pytest.mark.timeout(900)


# One in so many is compared with every run of the tests, all in the soak.
_ONE_IN = 30


@pytest.mark.parametrize(
    "model_name",
    [pytest.param(name, marks=[pytest.mark.soak] if number % _ONE_IN else []) for number, name in enumerate(MODELS)],
)
def test_auto_answers_as_tensorflow(model_name: str, verdicts: Mapping[str, "Future[Verdict]"]) -> None:
    verdict = verdicts[model_name].result()
    if verdict.differences:
        pytest.fail("\n".join(f"{kind} {text}" for kind, text in verdict.differences), pytrace=False)
    if expected := MODELS[model_name].engine:
        assert verdict.engine == expected, verdict.reason
