"""What a repository holds after a change that succeeds, and after one that does not."""

import gc
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serverless_dnn.runtime.errors import (
    DataLossError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    ServingError,
)
from serverless_dnn.runtime.repository.configuration import AllVersions, ModelConfig, Specific
from serverless_dnn.runtime.repository.loading import make_loader
from serverless_dnn.runtime.repository.model_repository import ModelRepository
from serverless_dnn.runtime.settings import EngineOptions, ServerSettings
from serverless_dnn.runtime.timing import Instance

ALL = AllVersions()
OPENVINO = EngineOptions(name="openvino", threads=1)


@pytest.fixture
def folder(models: Path, tmp_path: Path) -> Path:
    """Two models: m with the versions 1 and 2, and n with the version 1."""
    for model, version in (("m", 1), ("m", 2), ("n", 1)):
        shutil.copytree(models / "half_plus_two" / "1", tmp_path / model / str(version))
    return tmp_path


def _repository(folder: Path, **options: Any) -> ModelRepository:
    return ModelRepository(make_loader(ServerSettings(folder, engine=OPENVINO), Instance()), **options)


@pytest.fixture
def repository(folder: Path) -> Iterator[ModelRepository]:
    """Holds m, with the label stable for version 1."""
    held = _repository(folder)
    held.configure([ModelConfig("m", folder / "m", ALL, {"stable": 1})])
    yield held
    held.close()


def _held(repository: ModelRepository) -> dict[str, list[int]]:
    held: dict[str, list[int]] = {}
    for servable in repository.all():
        held.setdefault(servable.model_name, []).append(servable.version)
    return held


def _states(repository: ModelRepository, model: str) -> dict[int, str]:
    return {status.version: status.state.name for status in repository.status(model)}


def _break(version_folder: Path) -> None:
    (version_folder / "saved_model.pb").write_bytes(b"half of a file")


def _no_versions(folder: Path) -> list[ModelConfig]:
    (folder / "empty").mkdir()
    return [ModelConfig("m", folder / "empty", ALL)]


def _only_broken_versions_elsewhere(folder: Path) -> list[ModelConfig]:
    shutil.copytree(folder / "n", folder / "elsewhere")
    _break(folder / "elsewhere" / "1")
    return [ModelConfig("m", folder / "elsewhere", ALL)]


def _one_broken_version_elsewhere(folder: Path) -> list[ModelConfig]:
    shutil.copytree(folder / "m", folder / "elsewhere")
    _break(folder / "elsewhere" / "2")
    return [ModelConfig("m", folder / "elsewhere", ALL)]


def _a_broken_model_beside(folder: Path) -> list[ModelConfig]:
    _break(folder / "n" / "1")
    return [ModelConfig("m", folder / "m", Specific(frozenset({2}))), ModelConfig("n", folder / "n")]


def _a_label_without_its_version(folder: Path) -> list[ModelConfig]:
    return [ModelConfig("n", folder / "n"), ModelConfig("m", folder / "m", ALL, {"stable": 3})]


def _a_folder_that_is_not_there(folder: Path) -> list[ModelConfig]:
    return [ModelConfig("n", folder / "n"), ModelConfig("m", folder / "nope")]


@pytest.mark.parametrize(
    ("configure", "error"),
    [
        (_no_versions, NotFoundError),
        (_only_broken_versions_elsewhere, DataLossError),
        (_one_broken_version_elsewhere, DataLossError),
        (_a_broken_model_beside, DataLossError),
        (_a_label_without_its_version, FailedPreconditionError),
        (_a_folder_that_is_not_there, NotFoundError),
    ],
)
def test_a_configuration_that_is_refused_leaves_everything_as_it_was(
    repository: ModelRepository,
    folder: Path,
    configure: Callable[[Path], list[ModelConfig]],
    error: type[ServingError],
) -> None:
    before = repository.all()

    with pytest.raises(error):
        repository.configure(configure(folder))

    assert [id(servable) for servable in repository.all()] == [id(servable) for servable in before]
    assert repository.get("m", label="stable").version == 1
    assert (_states(repository, "m"), _states(repository, "n")) == ({2: "AVAILABLE", 1: "AVAILABLE"}, {})
    repository.refresh()
    assert _held(repository) == {"m": [2, 1]}


def test_models_and_labels_change_together(repository: ModelRepository, folder: Path) -> None:
    repository.configure(
        [ModelConfig("m", folder / "m", Specific(frozenset({2})), {"stable": 2}), ModelConfig("n", folder / "n")]
    )

    assert _held(repository) == {"m": [2], "n": [1]}
    assert repository.get("m", label="stable").version == 2
    assert _states(repository, "m") == {2: "AVAILABLE", 1: "END"}
    repository.configure([ModelConfig("n", folder / "n")])
    with pytest.raises(InvalidArgumentError, match="Unrecognized servable version label: stable"):
        repository.get("m", label="stable")


def test_a_model_that_moves_is_loaded_from_its_new_folder(repository: ModelRepository, folder: Path) -> None:
    shutil.copytree(folder / "m", folder / "moved")

    repository.configure([ModelConfig("m", folder / "moved", ALL)])

    assert {servable.folder.parent.name for servable in repository.all()} == {"moved"}
    assert _states(repository, "m") == {2: "AVAILABLE", 1: "AVAILABLE"}


def test_at_the_start_one_version_that_can_be_served_is_enough(folder: Path) -> None:
    _break(folder / "m" / "2")
    repository = _repository(folder)

    repository.configure([ModelConfig("m", folder / "m", ALL)])

    assert _held(repository) == {"m": [1]}
    assert _states(repository, "m") == {2: "END", 1: "AVAILABLE"}
    # Nor does a version that was broken before stand in the way of another model.
    repository.configure([ModelConfig("m", folder / "m", ALL), ModelConfig("n", folder / "n")])
    assert _held(repository) == {"m": [1], "n": [1]}


def test_a_version_is_loaded_once_it_is_whole(repository: ModelRepository, folder: Path) -> None:
    whole, copied = folder / "n" / "1", folder / "m" / "3"
    for make in (
        copied.mkdir,
        lambda: shutil.copy(whole / "saved_model.pb", copied),
        (copied / "variables").mkdir,
        lambda: shutil.copy(whole / "variables" / "variables.index", copied / "variables"),
    ):
        make()
        repository.refresh()
        assert _held(repository) == {"m": [2, 1]}
    shutil.copytree(whole, copied, dirs_exist_ok=True)

    repository.refresh()

    assert _held(repository) == {"m": [3, 2, 1]}


def test_files_that_failed_are_tried_again_a_few_times_and_when_they_change(folder: Path) -> None:
    tried: list[int] = []
    load = make_loader(ServerSettings(folder, engine=OPENVINO), Instance())

    def counted(name: str, version: int, version_folder: Path) -> Any:
        tried.append(version)
        return load(name, version, version_folder)

    repository = ModelRepository(counted, max_load_retries=2)
    _break(folder / "m" / "2")
    repository.configure([ModelConfig("m", folder / "m", ALL)])
    for _ in range(5):
        repository.refresh()
    assert tried == [2, 1, 2, 2]

    shutil.copytree(folder / "m" / "1", folder / "m" / "2", dirs_exist_ok=True)
    repository.refresh()

    assert _held(repository) == {"m": [2, 1]}


def test_a_version_that_never_was_and_is_gone_leaves_no_trace(repository: ModelRepository, folder: Path) -> None:
    stray = folder / "m" / "3"
    stray.mkdir()
    repository.refresh()
    assert _states(repository, "m") == {2: "AVAILABLE", 1: "AVAILABLE"}
    _break(stray)
    repository.refresh()
    assert _states(repository, "m") == {3: "END", 2: "AVAILABLE", 1: "AVAILABLE"}
    shutil.rmtree(stray)

    repository.refresh()

    assert _states(repository, "m") == {2: "AVAILABLE", 1: "AVAILABLE"}


def test_a_base_path_that_is_away_is_no_reason_to_stop(repository: ModelRepository, folder: Path) -> None:
    (folder / "m").rename(folder / "away")
    repository.refresh()

    assert _held(repository) == {"m": [2, 1]}


@pytest.mark.parametrize("engine", ["openvino", "tensorflow"])
def test_a_version_that_goes_is_freed_without_the_collector(folder: Path, engine: str) -> None:
    options = EngineOptions(name=engine, threads=1)  # type: ignore[arg-type]
    repository = ModelRepository(make_loader(ServerSettings(folder, engine=options), Instance()))
    repository.configure([ModelConfig("m", folder / "m")])
    gc.collect()
    gc.disable()
    try:
        for version in (3, 4, 5):
            shutil.copytree(folder / "m" / "1", folder / "m" / str(version))
            repository.refresh()
        assert _states(repository, "m") == {5: "AVAILABLE", 4: "END", 3: "END", 2: "END"}
    finally:
        gc.enable()


def test_listeners_are_told_of_changes_alone(repository: ModelRepository, folder: Path) -> None:
    told: list[dict[str, list[int]]] = []
    repository.subscribe(lambda: told.append(_held(repository)))

    repository.refresh()
    shutil.rmtree(folder / "m" / "1")
    repository.refresh()

    assert told == [{"m": [2]}]
