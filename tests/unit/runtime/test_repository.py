"""Which folders are models, and which of their versions."""

from pathlib import Path

import pytest

from serverless_dnn.runtime.errors import NotFoundError
from serverless_dnn.runtime.saved_model.model_folder import discover_models, list_versions


def test_versions_are_numbers_newest_first(models: Path) -> None:
    versions = list_versions(models / "half_plus_two")

    assert list(versions) == [12, 1]
    assert versions[12].name == "00000012"


def test_one_model(models: Path) -> None:
    folder = models / "half_plus_two"

    assert discover_models(folder) == {"half_plus_two": folder}
    assert discover_models(folder, "other_name") == {"other_name": folder}


def test_a_folder_of_models(models: Path) -> None:
    assert list(discover_models(models)) == ["examples", "half_plus_two", "lookup", "matrix", "pair", "scaled", "types"]
    assert list(discover_models(models, "pair")) == ["pair"]
    with pytest.raises(
        NotFoundError,
        match="there are the models examples, half_plus_two, lookup, matrix, pair, scaled, types, none of them nope",
    ):
        discover_models(models, "nope")


def test_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"expected <version>/saved_model\.pb or <model>/<version>/saved_model\.pb"):
        discover_models(tmp_path)
    with pytest.raises(NotFoundError, match="cannot read the model folder"):
        discover_models(tmp_path / "nope")
