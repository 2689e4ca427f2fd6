"""The corpus, built once, and the verdicts on its models."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# Tests are no package; the corpus and the harness are two, and their processes import them too.
sys.path.insert(0, str(Path(__file__).parent))

if TYPE_CHECKING:
    from concurrent.futures import Future

    from harness.worker import Verdict


@pytest.fixture(scope="session")
def wanted_models(request: pytest.FixtureRequest) -> list[str]:
    """The models of the tests that were selected, in their order."""
    parameters = (getattr(item, "callspec", None) for item in request.session.items)
    names = (callspec.params.get("model_name") for callspec in parameters if callspec)
    from corpus import MODELS

    # Other tests have models of their own.
    return list(dict.fromkeys(name for name in names if name in MODELS))


@pytest.fixture(scope="session")
def corpus_folder(wanted_models: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds the models, each in a folder of its name."""
    from harness.pool import build_models

    root = tmp_path_factory.mktemp("corpus")
    failed = build_models(root, wanted_models)
    assert not failed, "\n".join(f"{name} could not be built: {trace}" for name, trace in failed.items())
    return root


@pytest.fixture(scope="session")
def verdicts(
    corpus_folder: Path, wanted_models: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, "Future[Verdict]"]]:
    """What came of each model with engine `auto`."""
    from harness.pool import Judges

    with Judges(corpus_folder, tmp_path_factory.mktemp("logs") / "worker.log") as judges:
        yield judges.submit(wanted_models, "auto")
