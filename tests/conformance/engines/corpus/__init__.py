"""Small SavedModels of every kind that people serve, written as code: a module a kind."""

import importlib
import pkgutil

from corpus.registry import MODELS

__all__ = ["MODELS"]

for _module in pkgutil.iter_modules(__path__):
    # Importing a module enters its models.
    importlib.import_module(f"{__name__}.{_module.name}")
