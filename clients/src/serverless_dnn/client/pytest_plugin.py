"""The pytest fixture ``model_server``: add this module's name to ``pytest_plugins``."""

import pytest

from serverless_dnn.client.testing import InMemoryServer


@pytest.fixture
def model_server() -> InMemoryServer:
    """A server in memory, without models."""
    return InMemoryServer()
