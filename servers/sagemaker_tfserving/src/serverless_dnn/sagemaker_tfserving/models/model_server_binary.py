"""Which model server runs as a child of the container, if any."""

import shutil
import sys
from pathlib import Path

from serverless_dnn.runtime.errors import NotFoundError
from serverless_dnn.runtime.settings import EngineOptions
from serverless_dnn.sagemaker_tfserving.options import SageMakerOptions

TENSORFLOW_MODEL_SERVER = "tensorflow_model_server"
OUR_MODEL_SERVER = "sdnn-model-server"


def find_binary(options: SageMakerOptions, engine: EngineOptions) -> Path | None:
    """The model server to run as a child.

    Args:
        options: Names one, or asks for several.
        engine: An engine asked for by name runs in this process, whatever is on PATH.

    Returns:
        The path of a ``tensorflow_model_server``, of ours if several are asked for and there is no such binary, or
        ``None`` to run the models in this process.

    Raises:
        NotFoundError: The binary that is named does not exist or cannot be run.
    """
    if options.binary is not None:
        if found := shutil.which(str(options.binary)):
            return Path(found)
        raise NotFoundError(f"SAGEMAKER_TFS_BINARY is {options.binary}, which is not a program that can be run")
    if engine.name == "auto" and (found := shutil.which(TENSORFLOW_MODEL_SERVER)):
        return Path(found)
    return Path(sys.executable).with_name(OUR_MODEL_SERVER) if options.instance_count > 1 else None
