"""TensorFlow as the fallback of another engine: loaded on demand, for calls the other must not handle."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from serverless_dnn.runtime.deadline import Deadline
from serverless_dnn.runtime.engines.base import LoadedModel
from serverless_dnn.runtime.errors import FailedPreconditionError
from serverless_dnn.runtime.saved_model.signature import Signature
from serverless_dnn.runtime.settings import EngineOptions
from serverless_dnn.runtime.timing import Instance

_log = logging.getLogger(__name__)


class Reference:
    """A SavedModel in TensorFlow, loaded on the first call.

    Args:
        version_folder: The folder that holds ``saved_model.pb``.
        signatures: Its signatures.
        options: How the model is run; TensorFlow runs its signatures as exported, in float32.
    """

    def __init__(self, version_folder: Path, signatures: Mapping[str, Signature], options: EngineOptions) -> None:
        self._version_folder = version_folder
        self._signatures = signatures
        self._options = replace(options, name="tensorflow", precision="f32", graph="signature")
        self._loading = threading.Lock()
        self._loaded: LoadedModel | None = None

    def run(
        self, signature: Signature, inputs: Mapping[str, NDArray[Any]], deadline: Deadline, why: str
    ) -> dict[str, NDArray[Any]]:
        """Run a signature; see ``LoadedModel.run``.

        Args:
            signature: One of the model's.
            inputs: An array for each of its inputs.
            deadline: How long the caller waits.
            why: Why the other engine must not handle this call.

        Raises:
            FailedPreconditionError: TensorFlow is not installed; the message states why it is needed and how to install
                it.
        """
        return self._load(why).run(signature, inputs, deadline)

    def _load(self, why: str) -> LoadedModel:
        if self._loaded is None:
            if find_spec("tensorflow") is None:
                raise FailedPreconditionError(
                    f"{why}: that takes the tensorflow engine, which is not installed: "
                    "pip install 'serverless-dnn-runtime[tensorflow]'"
                )
            with self._loading:
                if self._loaded is None:
                    extra = {"model": self._version_folder.parent.name, "reason": why}
                    _log.warning("loading tensorflow as well, for what openvino does not answer", extra=extra)
                    from serverless_dnn.runtime.engines.tensorflow.model import TensorFlowModel

                    # A separate instance, because this process's cold start is over.
                    self._loaded = TensorFlowModel(
                        self._version_folder, self._signatures, self._options, Instance(), why
                    )
        return self._loaded
