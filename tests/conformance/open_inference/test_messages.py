"""Our messages of the Open Inference Protocol are those of Triton's client, element for element."""

import pytest
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto
from tritonclient.grpc import service_pb2

from serverless_dnn.protos.v1 import open_inference_pb2

# In the protocol's text, but in neither Triton's nor KServe's own messages.
_BEYOND = {"ModelMetadataResponse": {"properties", "PropertiesEntry"}}


def _described(file: FileDescriptor, name: str) -> DescriptorProto:
    message = DescriptorProto()
    file.message_types_by_name[name].CopyToProto(message)
    return message


def _fields(message: DescriptorProto, package: str) -> dict[str, object]:
    fields = {
        field.name: (
            field.number,
            field.type,
            field.label,
            field.type_name.removeprefix(f".{package}."),
            message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else None,
        )
        for field in message.field
    }
    return fields | {nested.name: _fields(nested, package) for nested in message.nested_type}


@pytest.mark.parametrize("name", open_inference_pb2.DESCRIPTOR.message_types_by_name)
def test_every_message_is_theirs(name: str) -> None:
    ours, theirs = (
        _fields(_described(file, name), file.package)
        for file in (open_inference_pb2.DESCRIPTOR, service_pb2.DESCRIPTOR)
    )

    beyond = _BEYOND.get(name, set())
    assert {key: value for key, value in ours.items() if key not in beyond} == theirs
    assert beyond <= set(ours)
