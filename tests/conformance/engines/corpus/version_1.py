"""Writes SavedModels as TensorFlow 1 did: one graph, a session's variables, and no functions."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from corpus.registry import BatchOfCases, Group, Inputs, Random, tf

Tensors = dict[str, Any]
SERVE = (("serve",),)


def write_session(
    folder: Path, session: Any, signatures: Mapping[str, tuple[Tensors, Tensors]], tags: Sequence[Sequence[str]] = SERVE
) -> None:
    """Write what a session holds.

    Args:
        folder: The version folder.
        session: Its variables are initialised here.
        signatures: Inputs and outputs by name.
        tags: Those of each meta graph.
    """
    v1 = tf.compat.v1
    session.run([v1.global_variables_initializer(), v1.tables_initializer()])
    builder = v1.saved_model.builder.SavedModelBuilder(str(folder))
    define = v1.saved_model.signature_def_utils.predict_signature_def
    definitions = {name: define(*ends) for name, ends in signatures.items()}
    builder.add_meta_graph_and_variables(session, list(tags[0]), definitions)
    for others in tags[1:]:
        builder.add_meta_graph(list(others), definitions)
    builder.save()


def add_graph(
    group: Group, name: str, call: Callable[..., Any], inputs: Inputs, cases: BatchOfCases, **options: Any
) -> None:
    """Enter a model of one function of tensors; it takes a tenth of the time that a model of TensorFlow 2 takes."""

    def build(folder: Path, random: Random) -> None:
        v1 = tf.compat.v1
        with tf.Graph().as_default(), v1.Session() as session:
            given = {key: v1.placeholder(dtype, shape, key) for key, (shape, dtype) in inputs.items()}
            answer = call(**given)
            outputs = answer if isinstance(answer, dict) else {"y": answer}
            write_session(folder, session, {"serving_default": (given, outputs)})

    group.add(name, build, cases, **options)
