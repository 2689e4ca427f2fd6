"""Checks that all files of a SavedModel are present: a folder still being copied must not be loaded yet."""

import re
from collections.abc import Sequence
from pathlib import Path

from serverless_dnn.runtime.errors import DataLossError
from serverless_dnn.runtime.saved_model.meta_graph import open_meta_graph

_SAVER = 3
_SHARD = re.compile(r"variables\.data-\d{5}-of-(?P<count>\d{5})")


def check_complete(version_folder: Path, tags: Sequence[str] = ("serve",)) -> None:
    """Check that a graph that restores variables comes with all of their files.

    Args:
        version_folder: The folder that holds ``saved_model.pb``.
        tags: The graph's tags.

    Raises:
        NotFoundError: There is no ``saved_model.pb``, or no graph with these tags.
        DataLossError: A file is missing or unreadable; the model may still be being copied.
    """
    with open_meta_graph(version_folder, tags) as graph:
        if not any(part.number == _SAVER for part in graph.fields):
            return
    folder = version_folder / "variables"
    try:
        names = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise DataLossError(f"{version_folder} is not whole: cannot read {folder}: {error.strerror}") from None
    shards = [match for name in names if (match := _SHARD.fullmatch(name))]
    if "variables.index" not in names or not shards or len(shards) != int(shards[0]["count"]):
        expected = shards[0]["count"].lstrip("0") if shards else "1 or more"
        raise DataLossError(
            f"{version_folder} is not whole: {folder} must hold variables.index and {expected} files of data, and has "
            f"{', '.join(sorted(names)) or 'nothing'}"
        )
