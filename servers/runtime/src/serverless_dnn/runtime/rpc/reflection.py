"""Server reflection, so that tools such as grpcurl can call the server without .proto files.

TensorFlow Serving's services and the Open Inference Protocol's are registered with our messages, which are
wire-compatible; they are described in a separate pool, so that the original packages can live in the same process.
"""

from typing import Any

import grpc.aio
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection

from serverless_dnn.protos.v1 import open_inference_pb2, prediction_service_pb2

# The package under which services are called, and the file that describes them under our own package.
_ALIASES: tuple[tuple[str, FileDescriptor], ...] = (
    ("tensorflow.serving", prediction_service_pb2.DESCRIPTOR),
    ("inference", open_inference_pb2.DESCRIPTOR),
)


def enable_reflection(server: grpc.aio.Server) -> None:
    """Add the reflection service.

    Args:
        server: The server, not started yet.
    """
    pool = descriptor_pool.DescriptorPool()
    names = {reflection.SERVICE_NAME, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name}
    added: set[str] = set()
    _add_with_imports(pool, health_pb2.DESCRIPTOR, added)
    for package, file in _ALIASES:
        _add_with_imports(pool, file, added)
        alias = descriptor_pb2.FileDescriptorProto(
            name=f"reflection/{package}.proto", package=package, syntax="proto3", dependency=[file.name]
        )
        for name, service in file.services_by_name.items():
            names.add(f"{package}.{name}")
            service.CopyToProto(alias.service.add())
            _drop_own_methods(alias.service[-1])
        pool.Add(alias)
    names |= {service.full_name for service in prediction_service_pb2.DESCRIPTOR.services_by_name.values()}
    reflection.enable_server_reflection(sorted(names), server, pool=pool)


def _drop_own_methods(service: descriptor_pb2.ServiceDescriptorProto) -> None:
    """Drop streaming methods, which are ours: TensorFlow Serving has none."""
    kept = [method for method in service.method if not method.server_streaming]
    del service.method[:]
    service.method.extend(kept)


def _add_with_imports(pool: descriptor_pool.DescriptorPool, file: Any, added: set[str]) -> None:
    if file.name in added:
        return
    added.add(file.name)
    for imported in file.dependencies:
        _add_with_imports(pool, imported, added)
    pool.AddSerializedFile(file.serialized_pb)
