"""Google's certificates, by which identity tokens are checked: fetched beside the calls, which never wait for it."""

import logging
import threading
import time
from collections.abc import Mapping

import requests
from cachecontrol import CacheControl

_log = logging.getLogger(__name__)
GOOGLE_CERTS_URL = "https://www.googleapis.com/oauth2/v1/certs"
# As often is asked whether they changed; the cache answers until the age that Google gives them.
_INTERVAL_S = 300.0
# So soon after one fetch, the next is made: for a token signed with a key that is not known, or when that one failed.
_SOONEST_S = 30.0
_TIMEOUT_S = 5.0


class GoogleKeys:
    """Certificates by key id; those fetched last stay in use for as long as no others can be had.

    Args:
        url: Where they are, as a JSON object by key id.
    """

    def __init__(self, url: str = GOOGLE_CERTS_URL) -> None:
        self._url = url
        self._session = CacheControl(requests.Session())
        self._wanted = threading.Event()
        self.certificates: Mapping[str, str] = {}

    def start(self) -> None:
        """Fetch them once, and from now on in a thread."""
        self._fetch()
        threading.Thread(target=self._run, name="google-keys", daemon=True).start()

    def want_new(self) -> None:
        """Fetch them soon, whatever their age: a token names a key that is not among them."""
        self._wanted.set()

    def _run(self) -> None:
        while True:
            time.sleep(_SOONEST_S)
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
            _log.warning("cannot fetch the certificates of identity tokens: those of before stay in use", extra=extra)
            return
        self.certificates = {str(key_id): str(certificate) for key_id, certificate in fetched.items()}
