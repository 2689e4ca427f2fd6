"""Listed operators that may get shapes that do not fit, in models of which nothing is proven: other guards hold there."""

from collections.abc import Callable
from functools import partial
from typing import Any

from fuzzed_operators.registry import MODELS, enter, raw, tf

_MISFITS = (
    *("joined_of_cubes", "stacked", "stacked_of_cubes", "shaped", "shaped_of_cubes", "shaped_alike", "spread_alike"),
    *("unstacked", "parted", "parted_unequally", "squeezed", "sliced", "strided", "mirrored_REFLECT", "tiled"),
    *("blocks_from_batch", "blocks_to_depth", "of_two_Add_AddV2_Sub_Mul", "choice", "top_three_of_any_width"),
    *("rows_of_an_input_by_int32", "rows_of_a_batch_by_int32", "unfolded", "reduced_over_last", "variable"),
)


def _beside(call: Callable[..., Any], **tensors: Any) -> dict[str, Any]:
    answer = call(**tensors)
    answers = answer.values() if isinstance(answer, dict) else answer if isinstance(answer, (list, tuple)) else [answer]
    beside = raw.Sign(x=tf.cast(tensors["x"] > 0, tf.float32))
    return {"beside": beside, **{f"y{number}": tensor for number, tensor in enumerate(answers)}}


def _behind(call: Callable[..., Any], **tensors: Any) -> Any:
    """The same of a tensor whose first size values decide."""
    x = tensors["x"]
    kept = tf.reshape(raw.Where(condition=tf.reduce_any(x > 0, list(range(1, len(x.shape))))), [-1])
    return call(**{**tensors, "x": tf.gather(x, kept)})


for _name in _MISFITS:
    _model = MODELS[_name]
    enter(
        f"{_name}_beside_an_unlisted_operator",
        partial(_beside, _model.call),
        None if _model.adds is None else (*_model.adds, 0.0, 1.0),
        variable=_model.variable,
        **_model.inputs,
    )
    enter(
        f"{_name}_behind_an_unlisted_operator",
        partial(_behind, _model.call),
        None if _model.adds is None else (*_model.adds, 0.0),
        variable=_model.variable,
        **_model.inputs,
    )
