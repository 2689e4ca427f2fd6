"""The function's init phase: read the settings, load the models, and get ready to answer."""

import importlib
import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from serverless_dnn.lambda_rest.function import instance_id, load_function
from serverless_dnn.lambda_rest.initialization import Initialization, init_left_s
from serverless_dnn.lambda_rest.invocation_log import current_fields, field_names
from serverless_dnn.lambda_rest.marshaller import pass_json_text
from serverless_dnn.lambda_rest.options import LambdaOptions, default_model_folder
from serverless_dnn.lambda_rest.snapstart import register_hooks
from serverless_dnn.runtime.commands.memory import keep_freed_memory
from serverless_dnn.runtime.commands.ready_file import announce_ready
from serverless_dnn.runtime.errors import DeadlineExceededError
from serverless_dnn.runtime.logs import add_log_fields, log_to_file, log_to_stderr
from serverless_dnn.runtime.options import from_values, values_from_environment
from serverless_dnn.runtime.settings import ServerSettings, TransferOptions
from serverless_dnn.runtime.timing import Instance, PhaseTimer

if TYPE_CHECKING:
    from serverless_dnn.lambda_rest.invocations import Invocations

_log = logging.getLogger(__name__)
_WARM_UP = "SDNN_WARM_UP"
# What answers invocations, with the REST API and its codecs; loading a model does without.
_INVOCATIONS = "serverless_dnn.lambda_rest.invocations"


def start_function() -> "Invocations":
    """Load the models, as far as Lambda's init phase allows.

    Returns:
        What answers invocations; the first waits for models that are still being loaded.

    Raises:
        ServingError: The settings are wrong, or a model cannot be loaded.
    """
    keep_freed_memory()
    log_to_stderr(names=field_names())
    add_log_fields(current_fields)
    pass_json_text()
    instance = Instance.of_server()
    instance.id = instance_id() or instance.id
    settings = _without_idle_work(ServerSettings.from_environment(default_base_path=default_model_folder()))
    options = from_values(LambdaOptions, values_from_environment(LambdaOptions))
    transfers = from_values(TransferOptions, values_from_environment(TransferOptions))
    log_to_file(settings.records_file)
    instance.meanwhile(lambda: importlib.import_module(_INVOCATIONS))

    def observe(api: str, outcome: str, timer: PhaseTimer) -> None:
        invocations.observe(api, outcome, timer)

    initialization = Initialization(lambda: load_function(settings, options, transfers, instance, observe))
    initialization.start()
    register_hooks(instance, initialization.wait)
    try:
        initialization.wait(init_left_s(instance.birth_ns, options.init_timeout_s))
    except DeadlineExceededError:
        _log.warning("the model is still being loaded: the first request waits for it")
    from serverless_dnn.lambda_rest.invocations import Invocations

    invocations = Invocations(initialization, instance, options)
    announce_ready(settings.ready_file, os.environ.get("AWS_LAMBDA_RUNTIME_API", ""), 0)
    return invocations


def _without_idle_work(settings: ServerSettings, environment: Mapping[str, str] = os.environ) -> ServerSettings:
    """Leave out the warm-up where a request is waiting already: it warms the model up itself."""
    is_awaited = environment.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "on-demand"
    if is_awaited and not environment.get(_WARM_UP):
        return replace(settings, warm_up=False)
    return settings
