"""One version of one model, loaded and ready to run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from serverless_dnn.protos.v1 import model_spec_pb2
from serverless_dnn.runtime.codecs.predict_proto import version_spec
from serverless_dnn.runtime.engines.base import EngineInfo
from serverless_dnn.runtime.inference.runner import Runner
from serverless_dnn.runtime.saved_model.signature import Signature, find_signature


@dataclass(frozen=True)
class Servable:
    """One version of one model, loaded.

    Attributes:
        model_name: The name callers use.
        version: The version's number.
        folder: Its folder.
        signatures: The model's signatures by name.
        engine: What runs it.
        runner: Runs its calls.
    """

    model_name: str
    version: int
    folder: Path
    signatures: Mapping[str, Signature]
    engine: EngineInfo
    runner: Runner

    def signature(self, name: str) -> Signature:
        """A signature by its name.

        Args:
            name: Empty means ``serving_default``.

        Returns:
            The signature.

        Raises:
            FailedPreconditionError: The model has no such signature.
        """
        return find_signature(self.signatures, name)


def servable_spec(servable: Servable, signature_name: str = "") -> model_spec_pb2.ModelSpec:
    """The ModelSpec for a response: the version is always set, a label never (as in TensorFlow Serving).

    Args:
        servable: The model.
        signature_name: The signature that ran.

    Returns:
        The message.
    """
    return version_spec(servable.model_name, servable.version, signature_name)
