"""Look for new versions and new models while a server runs."""

import logging
import threading

from serverless_dnn.runtime.errors import ServingError
from serverless_dnn.runtime.repository.configuration import wanted_models
from serverless_dnn.runtime.repository.model_repository import ModelRepository
from serverless_dnn.runtime.settings import ServerSettings

_log = logging.getLogger(__name__)


def start_polling(repository: ModelRepository, settings: ServerSettings) -> None:
    """Look for new versions and new models, in a thread, for as long as the process lives.

    Args:
        repository: Takes what is found.
        settings: Where to look, and how often.
    """
    threading.Thread(target=_poll, args=(repository, settings), name="poll", daemon=True).start()


def _poll(repository: ModelRepository, settings: ServerSettings) -> None:
    """Look for new versions and new models, for as long as the process lives."""
    configured = wanted_models(settings)
    never = threading.Event()
    while not never.wait(settings.poll_wait_s):
        try:
            wanted = wanted_models(settings) if settings.poll_config else configured
            if wanted != configured:
                configured = wanted
                repository.configure(wanted)
            else:
                repository.refresh()
        except ServingError as error:
            _log.warning("the models stay as they are", extra={"error": str(error)})
