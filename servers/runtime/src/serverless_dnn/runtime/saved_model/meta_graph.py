"""Find a meta graph in ``saved_model.pb`` by its tags, reading no more of the file than necessary."""

import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from google.protobuf.message import DecodeError

from serverless_dnn.protos.v1 import saved_model_pb2
from serverless_dnn.protos.wire_format import Field, walk_fields
from serverless_dnn.runtime.errors import DataLossError, NotFoundError

_META_GRAPHS, _META_INFO = 2, 1


class MetaGraph(NamedTuple):
    """The location of a meta graph.

    Attributes:
        content: The file, as a memory map.
        fields: The meta graph's own fields.
    """

    content: mmap.mmap
    fields: list[Field]


@contextmanager
def open_meta_graph(version_folder: Path, tags: Sequence[str] = ("serve",)) -> Iterator[MetaGraph]:
    """Open the meta graph that has exactly these tags.

    Args:
        version_folder: The folder that holds ``saved_model.pb``.
        tags: The tags.

    Yields:
        The meta graph; its memory map closes with the context.

    Raises:
        NotFoundError: There is no ``saved_model.pb``, or no graph with these tags.
        DataLossError: The file cannot be read or is not a SavedModel, even if that only emerges as the caller reads on.
    """
    path = version_folder / "saved_model.pb"
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            parts = [part for part in walk_fields(content, 0, len(content)) if part.number == _META_GRAPHS]
            graphs = [MetaGraph(content, list(walk_fields(content, part.value, part.end))) for part in parts]
            tags_of_graphs = [_tags(graph) for graph in graphs]
            for graph, found in zip(graphs, tags_of_graphs, strict=True):
                if found == set(tags):
                    yield graph
                    return
    except FileNotFoundError:
        raise NotFoundError(f"no SavedModel in {version_folder}: saved_model.pb is missing") from None
    except OSError as error:
        raise DataLossError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, DecodeError) as error:
        raise DataLossError(f"{path} is not a SavedModel: {error}") from None
    listed = ", ".join("{" + ",".join(sorted(found)) + "}" for found in tags_of_graphs) or "none"
    raise NotFoundError(f"{path} holds no graph with the tags {{{','.join(tags)}}}; it has: {listed}")


def _tags(graph: MetaGraph) -> set[str]:
    info = saved_model_pb2.MetaGraphDef.MetaInfoDef()
    for part in graph.fields:
        if part.number == _META_INFO:
            info.MergeFromString(graph.content[part.value : part.end])
    return set(info.tags)
