"""What is on the list of proven operators is there because a model of the corpus compares it with TensorFlow."""

from pathlib import Path

import pytest
from corpus import MODELS
from harness.pool import build_models

from serverless_dnn.protos.v1 import tensor_pb2
from serverless_dnn.runtime.engines.openvino.proof.call import attribute_value
from serverless_dnn.runtime.engines.openvino.proof.operators import OPERATORS
from serverless_dnn.runtime.engines.openvino.proof.prover import analyse
from serverless_dnn.runtime.saved_model.graph import reached_operators, read_graph
from serverless_dnn.runtime.saved_model.signature import DEFAULT_SIGNATURE, read_signatures

Entry = tuple[str, str, object]
# TensorFlow leaves out an attribute that has its default value.
_LEFT_OUT = {
    "T": tensor_pb2.DT_FLOAT,
    "TI": tensor_pb2.DT_INT64,
    "Tidx": tensor_pb2.DT_INT32,
    "out_type": tensor_pb2.DT_INT32,
    "output_type": tensor_pb2.DT_INT64,
}


def _reached(version_folder: Path) -> set[Entry]:
    """The operators, types and attributes of a model that OpenVINO answers."""
    signatures = read_signatures(version_folder)
    if analyse(version_folder, signatures).against:
        return set()
    names = [spec.graph_name for spec in signatures[DEFAULT_SIGNATURE].outputs.values()]
    entries: set[Entry] = set()
    for node in reached_operators(read_graph(version_folder), names):
        operator = OPERATORS.get(node.op)
        if operator is not None:
            entries.add((node.op, "", None))
            entries |= {(node.op, key, attribute_value(node.attr, key, _LEFT_OUT.get(key))) for key in operator.types}
            defaults = {key: values[0] for key, values in operator.attributes.items()}
            entries |= {(node.op, key, attribute_value(node.attr, key, value)) for key, value in defaults.items()}
    return entries


@pytest.mark.soak
def test_every_entry_of_the_list_is_reached(corpus_folder: Path, wanted_models: list[str]) -> None:
    listed: set[Entry] = set()
    for name, operator in OPERATORS.items():
        listed.add((name, "", None))
        for attributes in (operator.types, operator.attributes):
            listed |= {(name, key, value) for key, values in attributes.items() for value in values}

    # Those that the selected tests do not need.
    assert not build_models(corpus_folder, [name for name in MODELS if name not in wanted_models])
    reached = {entry for name in MODELS for entry in _reached(corpus_folder / name / "1")}

    assert listed - reached == set()
