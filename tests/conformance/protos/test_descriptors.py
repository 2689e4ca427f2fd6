"""Our messages carry TensorFlow's and TensorFlow Serving's field numbers and types, and live beside theirs."""

import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from tensorflow.core.example import example_pb2 as tf_example
from tensorflow.core.example import feature_pb2 as tf_feature
from tensorflow.core.framework import (
    attr_value_pb2,
    function_pb2,
    graph_pb2,
    node_def_pb2,
    op_def_pb2,
    resource_handle_pb2,
    tensor_shape_pb2,
    types_pb2,
)
from tensorflow.core.framework import tensor_pb2 as tf_tensor
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    input_pb2,
    logging_pb2,
    model_management_pb2,
    model_pb2,
    predict_pb2,
    prediction_log_pb2,
    regression_pb2,
    status_pb2,
)
from tensorflow_serving.config import file_system_storage_path_source_pb2, model_server_config_pb2

from serverless_dnn.protos import v1
from serverless_dnn.protos.v1 import (
    classification_pb2 as our_classification,
)
from serverless_dnn.protos.v1 import (
    example_pb2 as our_example,
)
from serverless_dnn.protos.v1 import (
    graph_pb2 as our_graph,
)
from serverless_dnn.protos.v1 import (
    model_config_pb2 as our_config,
)
from serverless_dnn.protos.v1 import (
    model_metadata_pb2 as our_metadata,
)
from serverless_dnn.protos.v1 import (
    model_spec_pb2 as our_spec,
)
from serverless_dnn.protos.v1 import (
    model_status_pb2 as our_status,
)
from serverless_dnn.protos.v1 import (
    multi_inference_pb2 as our_inference,
)
from serverless_dnn.protos.v1 import (
    predict_pb2 as our_predict,
)
from serverless_dnn.protos.v1 import (
    prediction_log_pb2 as our_log,
)
from serverless_dnn.protos.v1 import (
    regression_pb2 as our_regression,
)
from serverless_dnn.protos.v1 import (
    saved_model_pb2 as our_saved_model,
)
from serverless_dnn.protos.v1 import (
    signature_pb2 as our_signature,
)
from serverless_dnn.protos.v1 import (
    status_pb2 as our_codes,
)
from serverless_dnn.protos.v1 import (
    tensor_pb2 as our_tensor,
)

_FILES = [
    (our_tensor, [tf_tensor, tensor_shape_pb2, resource_handle_pb2]),
    (our_spec, [model_pb2]),
    (our_predict, [predict_pb2]),
    (our_example, [tf_example, tf_feature, input_pb2]),
    (our_classification, [classification_pb2]),
    (our_regression, [regression_pb2]),
    (our_inference, [inference_pb2]),
    (our_signature, [meta_graph_pb2, get_model_metadata_pb2]),
    (our_metadata, [get_model_metadata_pb2]),
    (our_codes, [status_pb2]),
    (our_status, [get_model_status_pb2]),
    (our_config, [model_server_config_pb2, model_management_pb2]),
    (our_saved_model, [saved_model_pb2, meta_graph_pb2]),
    (our_log, [prediction_log_pb2, logging_pb2]),
    (our_graph, [graph_pb2, node_def_pb2, attr_value_pb2, function_pb2, op_def_pb2]),
]


def _messages() -> Iterator[tuple[Descriptor, Descriptor]]:
    for ours, upstream in _FILES:
        for name, message in ours.DESCRIPTOR.message_types_by_name.items():
            candidates = [file.DESCRIPTOR.message_types_by_name.get(name) for file in upstream]
            if name == "ServableVersionPolicy":
                source = file_system_storage_path_source_pb2.DESCRIPTOR.message_types_by_name
                candidates = [source["FileSystemStoragePathSourceConfig"].nested_types_by_name[name]]
            theirs = next((found for found in candidates if found), None)
            assert theirs, f"{name} is no message of TensorFlow's"
            yield from _with_nested(message, theirs)


def _with_nested(ours: Descriptor, theirs: Descriptor) -> Iterator[tuple[Descriptor, Descriptor]]:
    yield ours, theirs
    for name, nested in ours.nested_types_by_name.items():
        yield from _with_nested(nested, theirs.nested_types_by_name[name])


_PAIRS = list(_messages())


def _shape(field: FieldDescriptor) -> tuple[object, ...]:
    oneof = field.containing_oneof
    return (
        field.name,
        field.type,
        field.is_repeated,
        field.is_packed,
        oneof.name if oneof is not None and not oneof.name.startswith("_") else None,
        field.message_type.name if field.message_type else None,
    )


@pytest.mark.parametrize(("ours", "theirs"), _PAIRS, ids=[ours.full_name.rpartition("v1.")[2] for ours, _ in _PAIRS])
def test_every_field_of_ours_is_theirs(ours: Descriptor, theirs: Descriptor) -> None:
    for number, field in ours.fields_by_number.items():
        assert _shape(field) == _shape(theirs.fields_by_number[number])


# Fields that the .proto files say they leave unread: they are kept as unknown fields and never lost.
_LEFT_OUT = {
    "CompositeTensor": {"type_spec"},
    "MetaGraphDef": {"graph_def", "saver_def", "collection_def", "asset_file_def", "object_graph_def"},
    "MetaInfoDef": {"stripped_op_list", "any_info", "function_aliases"},
    "ModelConfig": {"model_type", "logging_config"},
    "PredictionLog": {"session_run_log"},
    "LogMetadata": {
        *("sampling_config", "saved_model_tags", "dtypes", "timestamp_secs", "safe_aggregation_privacy_key"),
        *("request_criticality", "request_origin", "dc"),
    },
    "ResourceHandleProto": {"dtypes_and_shapes"},
    "GraphDef": {"versions", "version", "debug_info"},
    "NodeDef": {"experimental_debug_info", "experimental_type"},
    "FunctionDefLibrary": {"gradient", "registered_gradients"},
    "FunctionDef": {"arg_attr", "resource_arg_unique_id"},
    "OpDef": {
        *("control_output", "attr", "deprecation", "summary", "description", "is_commutative", "is_aggregate"),
        *("is_stateful", "allows_uninitialized_input", "is_distributed_communication"),
    },
    "ArgDef": {"handle_data", "is_ref", "experimental_full_type"},
}


@pytest.mark.parametrize(("ours", "theirs"), _PAIRS, ids=[ours.full_name.rpartition("v1.")[2] for ours, _ in _PAIRS])
def test_no_field_of_theirs_is_missing(ours: Descriptor, theirs: Descriptor) -> None:
    missing = {field.name for number, field in theirs.fields_by_number.items() if number not in ours.fields_by_number}

    assert missing <= _LEFT_OUT.get(ours.name, set())


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (our_tensor.DESCRIPTOR.enum_types_by_name["DataType"], types_pb2.DESCRIPTOR.enum_types_by_name["DataType"]),
        (
            our_codes.DESCRIPTOR.enum_types_by_name["Code"],
            status_pb2.StatusProto.DESCRIPTOR.fields_by_name["error_code"].enum_type,
        ),
        (
            our_status.ModelVersionStatus.DESCRIPTOR.enum_types_by_name["State"],
            get_model_status_pb2.ModelVersionStatus.DESCRIPTOR.enum_types_by_name["State"],
        ),
        (
            our_predict.PredictStreamedOptions.DESCRIPTOR.enum_types_by_name["RequestState"],
            predict_pb2.PredictStreamedOptions.DESCRIPTOR.enum_types_by_name["RequestState"],
        ),
    ],
    ids=lambda descriptor: descriptor.name,
)
def test_enums_have_their_numbers(ours: EnumDescriptor, theirs: EnumDescriptor) -> None:
    known = {value.name: value.number for value in theirs.values}

    assert {value.name: known.get(value.name) for value in ours.values} == {
        value.name: value.number for value in ours.values
    }
    # References (numbers above 100) are no type a serving API carries; the last code is a guard against a full switch.
    left_out = {name for name in known if not name.endswith("_REF") and not name.startswith("DO_NOT_USE")}
    assert left_out <= {value.name for value in ours.values}


_OURS = "import serverless_dnn.protos.v1.prediction_log_pb2, serverless_dnn.protos.v1.prediction_service_pb2"
_THEIRS = (
    "import tensorflow, tensorflow_serving.apis.prediction_log_pb2, tensorflow_serving.apis.prediction_service_pb2_grpc"
)


@pytest.mark.parametrize("order", [(_OURS, _THEIRS), (_THEIRS, _OURS)], ids=["ours first", "theirs first"])
def test_both_live_in_one_process(order: tuple[str, str]) -> None:
    done = subprocess.run([sys.executable, "-c", "\n".join(order)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_every_element_has_a_comment() -> None:
    sources = sorted((Path(v1.__file__).parents[4] / "proto").rglob("*.proto"))
    assert sources
    for source in sources:
        lines = [line.strip() for line in source.read_text().splitlines()]
        for before, line in itertools.pairwise(lines):
            starts_element = line.endswith((";", "{", "{}")) and not line.startswith(
                ("syntax", "package", "import", "reserved", "//", "}")
            )
            if starts_element:
                assert before.startswith("//"), f"{source.name}: no comment above {line!r}"
