"""Show what a server offers, and predict: ``python -m serverless_dnn.client URL MODEL``."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serverless_dnn.client import ClientOptions, connect
from serverless_dnn.client.errors import ClientError, RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from serverless_dnn.client import Client, Signature
    from serverless_dnn.client.specs import TensorSpec

_PHOTOS = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp"})
_EXAMPLES = """examples:
  python -m serverless_dnn.client grpc://127.0.0.1:8500 mobilenet_v1
  python -m serverless_dnn.client https://dnn-abc.a.run.app mobilenet_v1 --id-token --input photo.jpg
  python -m serverless_dnn.client sagemaker:my-endpoint bert_base --input tokens.npz --save answer.npz
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: The command line; by default the process's.

    Returns:
        The exit status: 0, or 1 after an error, which is one line.
    """
    given = _parser().parse_args(arguments)
    options = ClientOptions(
        timeout_s=given.timeout,
        id_token=given.id_token,
        aws_region=given.region,
        sign_requests=True if given.sign else None,
    )
    try:
        with connect(given.url, given.model, options) as client:
            if given.input is None:
                _show(client)
            else:
                _predict(client, given)
    except ClientError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m serverless_dnn.client",
        description="Show a model's versions and signatures, or predict with it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url", help="grpc://, grpcs://, unix:, http(s)://, lambda:NAME, sagemaker:NAME")
    parser.add_argument("model", help="the model's name")
    parser.add_argument(
        "--input", type=Path, metavar="FILE", help="predict: an .npz of arrays by name, or a photograph"
    )
    parser.add_argument("--signature", help="the signature; serving_default by default")
    parser.add_argument(
        "--range", type=_range, default=(0.0, 1.0), metavar="LOW,HIGH", help="a photograph's black and white; 0,1"
    )
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the outputs to an .npz")
    parser.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="how long a call may take; 60")
    parser.add_argument("--id-token", action="store_true", help="send an identity token of Google's (extra gcp)")
    parser.add_argument("--sign", action="store_true", help="sign with AWS's credentials (extra aws)")
    parser.add_argument("--region", help="the AWS region")
    return parser


def _range(text: str) -> tuple[float, float]:
    low, _, high = text.partition(",")
    return float(low), float(high)


def _show(client: "Client") -> None:
    lines = ["versions"]
    lines += [f"  {each.version}  {each.state}  {each.error_message}".rstrip() for each in client.versions()]
    for signature in client.signatures().values():
        lines.append(f"signature {signature.name}  {signature.method_name}")
        lines += [f"  in   {spec.name}  {spec}" for spec in signature.inputs.values()]
        lines += [f"  out  {spec.name}  {spec}" for spec in signature.outputs.values()]
    sys.stdout.write("\n".join(lines) + "\n")


def _predict(client: "Client", given: argparse.Namespace) -> None:
    import numpy as np

    signatures = client.signatures()
    name = given.signature or "serving_default"
    if name not in signatures:
        raise RequestError(f"there is no signature {name!r}: there are {', '.join(signatures) or 'none'}")
    inputs = _inputs(given.input, signatures[name], given.range)
    prediction = client.predict(inputs, signature=given.signature)
    if given.save is not None:
        np.savez(given.save, **dict(prediction.outputs))  # type: ignore[arg-type] # names of arrays
    lines = []
    for output, array in prediction.outputs.items():
        lines.append(f"{output}  {array.dtype.name}{list(array.shape)}")
        lines.append(np.array2string(array, threshold=20, edgeitems=5, precision=4))
        if array.ndim == 2 and array.shape[0] == 1 and array.shape[1] > 1 and array.dtype.kind == "f":
            best = np.argsort(array[0])[::-1][:5]
            lines.append("largest  " + "  ".join(f"{index}: {array[0, index]:.4f}" for index in best))
    timing = prediction.timing
    served = "" if timing.server is None else f", in the server {timing.server.phases_ms.get('total', 0):.1f} ms"
    lines.append(f"{timing.total_ns / 1e6:.1f} ms{served}")
    sys.stdout.write("\n".join(lines) + "\n")


def _inputs(path: Path, signature: "Signature", value_range: tuple[float, float]) -> "Mapping[str, NDArray[Any]]":
    import numpy as np

    try:
        if path.suffix.lower() not in _PHOTOS:
            with np.load(path, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays}
        if len(signature.inputs) != 1:
            raise RequestError(f"a photograph is one input, and the signature has {', '.join(signature.inputs)}")
        (spec,) = signature.inputs.values()
        return {spec.name: _photo(path, spec, value_range)}
    except (OSError, ValueError, TypeError) as error:
        raise RequestError(f"cannot read {path}: {error}") from None


def _photo(path: Path, spec: "TensorSpec", value_range: tuple[float, float]) -> "NDArray[Any]":
    import numpy as np

    try:
        from PIL import Image
    except ImportError:
        raise RequestError("photographs need Pillow: pip install pillow") from None
    if spec.shape is None or len(spec.shape) != 4 or spec.shape[3] != 3:
        raise RequestError(f"a photograph needs an input like float32[?, 224, 224, 3], and {spec.name} is {spec}")
    with Image.open(path) as photo:
        height, width = spec.shape[1] or photo.height, spec.shape[2] or photo.width
        pixels = np.asarray(photo.convert("RGB").resize((width, height)))
    if spec.dtype is not None and spec.dtype.kind in "iu":
        return pixels[None].astype(spec.dtype)
    low, high = value_range
    return (low + pixels[None] * np.float32((high - low) / 255)).astype(np.float32)


if __name__ == "__main__":
    sys.exit(main())
