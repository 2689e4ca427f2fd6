"""Models are found at any depth, with all their versions."""

from pathlib import Path

import pytest

from serverless_dnn.runtime.errors import InvalidArgumentError, NotFoundError
from serverless_dnn.runtime.repository.configuration import AllVersions, ModelConfig
from serverless_dnn.sagemaker_tfserving.models.discovery import find_models


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "model"


def _put(*folders: Path) -> None:
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").touch()


def test_a_model_at_the_top_is_named_after_the_folder(base: Path) -> None:
    _put(base / "1", base / "00000002")

    assert find_models(base) == [ModelConfig("model", base, AllVersions())]
    assert find_models(base, "mine")[0].name == "mine"


def test_models_at_any_depth(base: Path) -> None:
    _put(base / "export" / "Servo" / "1699", base / "half" / "00000123", base / "half" / ".00000111")
    _put(base / "not_a_version", base / "half" / "123" / "assets" / "inner" / "7")
    (base / "code").mkdir()

    found = find_models(base)

    assert [(config.name, config.base_path) for config in found] == [
        ("Servo", base / "export" / "Servo"),
        ("half", base / "half"),
        ("inner", base / "half" / "123" / "assets" / "inner"),
    ]


def test_links_are_followed_once(base: Path, tmp_path: Path) -> None:
    _put(tmp_path / "elsewhere" / "half" / "1")
    base.mkdir()
    (base / "linked").symlink_to(tmp_path / "elsewhere" / "half")
    (base / "loop").symlink_to(base)

    assert [config.name for config in find_models(base)] == ["linked"]


def test_one_of_several_by_name(base: Path) -> None:
    _put(base / "a" / "1", base / "b" / "1")

    assert [config.name for config in find_models(base, "b")] == ["b"]
    with pytest.raises(NotFoundError, match=r"there is no model c below .*, but: a, b"):
        find_models(base, "c")


def test_names_that_clash(base: Path) -> None:
    _put(base / "x" / "same" / "1", base / "y" / "same" / "1")

    with pytest.raises(InvalidArgumentError, match="two models are called same"):
        find_models(base)


def test_nothing_to_find(base: Path) -> None:
    with pytest.raises(NotFoundError, match="cannot read the model folder"):
        find_models(base)
    (base / "variables").mkdir(parents=True)
    with pytest.raises(NotFoundError, match=r"no SavedModel bundles found! .* which holds variables"):
        find_models(base)
    (base / "saved_model.pb").touch()
    with pytest.raises(NotFoundError, match="without a version folder: put it into model/1/"):
        find_models(base)
