"""Which folders are models, and which of their versions."""

import shutil
from pathlib import Path

import pytest

from serverless_dnn.runtime.errors import DataLossError, NotFoundError
from serverless_dnn.runtime.saved_model.completeness import check_complete
from serverless_dnn.runtime.saved_model.model_folder import discover_models, fingerprint, list_versions


def test_versions_are_numbers_newest_first(models: Path) -> None:
    versions = list_versions(models / "half_plus_two")

    assert list(versions) == [12, 1]
    assert versions[12].name == "00000012"


def test_one_model(models: Path) -> None:
    folder = models / "half_plus_two"

    assert discover_models(folder) == {"half_plus_two": folder}
    assert discover_models(folder, "other_name") == {"other_name": folder}


def test_a_folder_of_models(models: Path) -> None:
    names = ["examples", "gate", "half_plus_two", "lookup", "matrix", "pair", "scaled", "types"]
    assert list(discover_models(models)) == names
    assert list(discover_models(models, "pair")) == ["pair"]
    with pytest.raises(NotFoundError, match=f"there are the models {', '.join(names)}, none of them nope"):
        discover_models(models, "nope")


def test_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"expected <version>/saved_model\.pb or <model>/<version>/saved_model\.pb"):
        discover_models(tmp_path)
    with pytest.raises(NotFoundError, match="cannot read the model folder"):
        discover_models(tmp_path / "nope")


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("7", 7),
        ("007", 7),
        ("0", 0),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", None),
        ("20240101120000123456789", None),
        ("9" * 200, None),
        ("-1", None),
        ("+1", None),
        ("1.0", None),
        ("١", None),
        ("1 ", None),
    ],
)
def test_a_version_is_an_int64(name: str, version: int | None, models: Path, tmp_path: Path) -> None:
    shutil.copytree(models / "half_plus_two" / "1", tmp_path / "m" / name)

    assert list(list_versions(tmp_path / "m")) == ([] if version is None else [version])


def test_of_two_spellings_of_a_version_the_shorter_counts(models: Path, tmp_path: Path) -> None:
    for name in ("07", "7"):
        shutil.copytree(models / "half_plus_two" / "1", tmp_path / "m" / name)

    assert list_versions(tmp_path / "m") == {7: tmp_path / "m" / "7"}


def test_a_folder_or_file_without_a_model_is_no_version(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "2").write_bytes(b"")
    (tmp_path / "3" / "saved_model.pb").mkdir(parents=True)

    assert list_versions(tmp_path) == {}


def test_the_fingerprint_changes_with_every_file(copied_model: Path) -> None:
    seen = {fingerprint(copied_model / "1")}
    for change in (
        lambda: (copied_model / "1" / "more").write_bytes(b"1"),
        lambda: (copied_model / "1" / "more").write_bytes(b"12"),
        lambda: (copied_model / "1" / "more").rename(copied_model / "1" / "other"),
        (copied_model / "1" / "other").unlink,
    ):
        before = fingerprint(copied_model / "1")
        change()
        seen.add(fingerprint(copied_model / "1"))
        assert fingerprint(copied_model / "1") != before
    assert fingerprint(copied_model / "nope") != ()


def test_what_is_still_being_copied_is_not_whole(copied_model: Path) -> None:
    check_complete(copied_model / "1")
    variables = copied_model / "1" / "variables"
    (variables / "variables.data-00000-of-00001").rename(variables / "variables.data-00000-of-00002")
    with pytest.raises(DataLossError, match=r"must hold variables.index and 2 files of data, and has variables.data"):
        check_complete(copied_model / "1")
    shutil.rmtree(variables)
    with pytest.raises(DataLossError, match="is not whole: cannot read"):
        check_complete(copied_model / "1")
