"""Poll for new versions and new models while a server runs."""

import logging
import threading

from serverless_dnn.runtime.errors import ServingError
from serverless_dnn.runtime.repository.configuration import ModelConfig, wanted_models
from serverless_dnn.runtime.repository.model_repository import ModelRepository
from serverless_dnn.runtime.saved_model.model_folder import fingerprint
from serverless_dnn.runtime.settings import ServerSettings

_log = logging.getLogger(__name__)


def start_polling(repository: ModelRepository, settings: ServerSettings, configured: list[ModelConfig]) -> None:
    """Poll for new versions and new models in a thread for as long as the process lives.

    Args:
        repository: The repository to update.
        settings: Where to look and how often.
        configured: The models the repository currently holds.
    """
    poller = _Poller(repository, settings, configured)
    threading.Thread(target=poller.run, name="poll", daemon=True).start()


class _Poller:
    """Polls the configuration and the versions on disk, and survives whatever it finds there."""

    def __init__(self, repository: ModelRepository, settings: ServerSettings, configured: list[ModelConfig]) -> None:
        self._repository = repository
        self._settings = settings
        self._configured = configured
        self._refused: object = None
        self._refusals = 0

    def run(self) -> None:
        """Wait and poll, forever."""
        never = threading.Event()
        while not never.wait(self._settings.poll_wait_s):
            try:
                self._look()
            except ServingError as error:
                _log.warning("keeping the current models", extra={"error": str(error)})
            except Exception:  # noqa: BLE001 - whatever it was, the next poll may succeed
                _log.exception("polling failed because of a bug in this server: keeping the current models")

    def _look(self) -> None:
        self._repository.refresh()
        wanted = wanted_models(self._settings) if self._settings.poll_config else self._configured
        if wanted == self._configured:
            return
        # A rejected configuration may be accepted once its files are there; the same files are not retried forever.
        attempt = (wanted, [fingerprint(config.base_path) for config in wanted])
        if attempt != self._refused:
            self._refused, self._refusals = attempt, 0
        if self._refusals > self._settings.max_load_retries:
            return
        try:
            self._repository.configure(wanted)
        except ServingError:
            self._refusals += 1
            raise
        self._configured = wanted
