"""Free a model's memory with its last call.

TensorFlow's objects form reference cycles, so Python's garbage collector would have to free them: at an arbitrary time,
and blocking all other threads while it scans everything that TensorFlow has imported.
"""

import logging
import weakref
from collections.abc import Iterable
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph, dismantle_func_graph
from tensorflow.python.framework.ops import dismantle_graph

_log = logging.getLogger(__name__)


def free_with(owner: object, loaded: object, functions: Iterable[Any]) -> None:
    """Free a model's variables and graphs when an object is destroyed.

    Args:
        owner: The object, held by whoever calls the model.
        loaded: The result of ``tf.saved_model.load``, or a session.
        functions: Additional functions of the model: frozen copies.
    """
    weakref.finalize(owner, _free, loaded, list(functions)).atexit = False


def free_now(loaded: object) -> None:
    """Free a model that is no longer called.

    Args:
        loaded: The result of ``tf.saved_model.load``.
    """
    _free(loaded, [])


def _free(loaded: Any, functions: list[Any]) -> None:
    try:
        if isinstance(loaded, tf.compat.v1.Session):
            graph = loaded.graph
            loaded.close()
            dismantle_graph(graph)
            return
        if loaded is not None:
            parts = list(tf.train.TrackableView(loaded).descendants())
            for variable in (part for part in parts if isinstance(part, tf.Variable)):
                # The handle stays valid for whoever refers to it; its value is replaced by an empty one.
                empty = tf.zeros([0], variable.dtype) if variable.dtype != tf.string else tf.constant([], tf.string)
                tf.raw_ops.AssignVariableOp(resource=variable.handle, value=empty)
            functions += [each for part in parts for each in getattr(part, "concrete_functions", ())]
            functions += loaded.signatures.values()
        for graph in {id(each.graph): each.graph for each in functions}.values():
            if isinstance(graph, FuncGraph):
                dismantle_func_graph(graph)
    except (tf.errors.OpError, RuntimeError, ValueError, TypeError, AttributeError):
        # The garbage collector will free it.
        _log.warning("a model's memory is given back later", exc_info=True)
