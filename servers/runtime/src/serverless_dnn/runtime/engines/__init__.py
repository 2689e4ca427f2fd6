"""Engines: what runs a model. Each is imported only when it is chosen."""

from serverless_dnn.runtime.engines.base import EngineInfo, EngineOptions, LoadedModel
from serverless_dnn.runtime.engines.selection import load_model

__all__ = ["EngineInfo", "EngineOptions", "LoadedModel", "load_model"]
