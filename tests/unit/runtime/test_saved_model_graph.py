"""A SavedModel's graph is read as TensorFlow wrote it, but for large constants, which leave their digest."""

from pathlib import Path

import numpy as np
import pytest
from tensorflow.core.protobuf import saved_model_pb2

from serverless_dnn.runtime.errors import DataLossError, NotFoundError
from serverless_dnn.runtime.saved_model.graph import is_left_out, reached_operators, read_graph

LARGE = 300_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a small and two equal large constants, in a function, and a second meta graph for training."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("graph") / "model" / "1"
    module = tf.Module()
    large = np.arange(LARGE, dtype=np.float32)

    @tf.function(input_signature=[tf.TensorSpec([None, LARGE], tf.float32, "x")])
    def serve(x: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.init_scope():
            pass
        return {"y": (x + tf.constant(large)) * tf.constant(large) + tf.constant([2.0])}

    module.serve = serve
    tf.saved_model.save(module, str(folder), signatures=serve)
    path = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    saved.meta_graphs.add().meta_info_def.tags.append("train")
    path.write_bytes(saved.SerializeToString())
    return folder


def test_every_operator_is_read_as_tensorflow_wrote_it(folder: Path) -> None:
    theirs = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs[0].graph_def
    graph = read_graph(folder)

    assert {name: node.SerializeToString(deterministic=True) for name, node in graph.nodes.items()} == {
        node.name: node.SerializeToString(deterministic=True) for node in theirs.node
    }
    assert set(graph.functions) == {function.signature.name for function in theirs.library.function}
    for function in theirs.library.function:
        ours = graph.functions[function.signature.name]
        assert dict(ours.definition.ret) == dict(function.ret)
        assert list(ours.nodes) == [node.name for node in function.node_def]


def test_a_large_constant_leaves_its_type_its_shape_and_its_digest(folder: Path) -> None:
    graph = read_graph(folder)
    outputs = [name for name in graph.nodes if name.startswith(("StatefulPartitionedCall", "PartitionedCall"))]
    constants = [node for node in reached_operators(graph, outputs) if node.op == "Const"]
    large = [node for node in constants if is_left_out(node)]
    small = [node for node in constants if not is_left_out(node)]

    assert [node.attr["value"].tensor.tensor_shape.dim[0].size for node in large] == [LARGE, LARGE]
    assert len({node.attr["value"].tensor.string_val[0] for node in large}) == 1
    assert all(node.ByteSize() < 1000 for node in large)
    assert any(node.attr["value"].tensor.float_val[:] == [2.0] for node in small)


def test_what_is_no_graph_is_told(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(NotFoundError, match=r"saved_model\.pb is missing"):
        read_graph(tmp_path)
    with pytest.raises(NotFoundError, match=r"no graph with the tags \{gpu\}; it has: \{serve\}, \{train\}"):
        read_graph(folder, ["gpu"])
    whole = (folder / "saved_model.pb").read_bytes()
    for damaged in (whole[: len(whole) // 2], b"\x12\xff\xff\xff\xff\x0f", b"text"):
        (tmp_path / "saved_model.pb").write_bytes(damaged)
        with pytest.raises(DataLossError, match="is not a SavedModel"):
            read_graph(tmp_path)
