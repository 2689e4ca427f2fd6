"""Google's certificates for verifying identity tokens, fetched in the background so that calls never wait."""

import logging
import threading
import time
from collections.abc import Mapping

import requests
from cachecontrol import CacheControl

_log = logging.getLogger(__name__)
GOOGLE_CERTS_URL = "https://www.googleapis.com/oauth2/v1/certs"
# How often to check for changes; the cache answers until the max-age set by Google.
_INTERVAL_S = 300.0
# The minimum interval between fetches, for a token signed with an unknown key or after a failed fetch.
_SOONEST_S = 30.0
_TIMEOUT_S = 5.0
# As long as there are none at all, no call can be checked.
_RETRY_S = 2.0


class GoogleKeys:
    """Certificates by key id; the last ones fetched stay in use until newer ones are available.

    Args:
        url: The URL of a JSON object that maps key ids to certificates.
    """

    def __init__(self, url: str = GOOGLE_CERTS_URL) -> None:
        self._url = url
        self._session = CacheControl(requests.Session())
        self._wanted = threading.Event()
        self.certificates: Mapping[str, str] = {}

    def start(self) -> None:
        """Fetch them once, then keep them up to date in a thread."""
        self._fetch()
        threading.Thread(target=self._run, name="google-keys", daemon=True).start()

    def want_new(self) -> None:
        """Fetch them soon, regardless of their age, because a token names an unknown key."""
        self._wanted.set()

    def _run(self) -> None:
        while True:
            time.sleep(_SOONEST_S if self.certificates else _RETRY_S)
            is_wanted = self._wanted.wait(_INTERVAL_S if self.certificates else 0)
            self._wanted.clear()
            self._fetch({"Cache-Control": "no-cache"} if is_wanted else {})

    def _fetch(self, headers: Mapping[str, str] | None = None) -> None:
        try:
            response = self._session.get(self._url, headers=dict(headers or {}), timeout=_TIMEOUT_S)
            response.raise_for_status()
            fetched = response.json()
        except (requests.RequestException, ValueError) as error:
            extra = {"url": self._url, "error": str(error), "kept": len(self.certificates)}
            _log.warning("cannot fetch the certificates of identity tokens: keeping the previous ones", extra=extra)
            return
        self.certificates = {str(key_id): str(certificate) for key_id, certificate in fetched.items()}
