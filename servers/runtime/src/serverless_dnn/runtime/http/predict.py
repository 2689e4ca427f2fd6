"""Predict over HTTP on any platform: a body of one content type in, a body of one out."""

from serverless_dnn.runtime.codecs.content_types import ModelAnswer
from serverless_dnn.runtime.deadline import Deadline
from serverless_dnn.runtime.http.bodies import inflate, is_compressed
from serverless_dnn.runtime.http.messages import HttpRequest
from serverless_dnn.runtime.http.rest_options import RestOptions
from serverless_dnn.runtime.inference.admission import Place
from serverless_dnn.runtime.inference.predictor import check_inputs, predict
from serverless_dnn.runtime.inference.servable import Servable
from serverless_dnn.runtime.timing import PhaseTimer


def predict_over_http(
    request: HttpRequest,
    servable: Servable,
    timer: PhaseTimer,
    place: Place,
    options: RestOptions,
    deadline: Deadline,
) -> tuple[str, bytes]:
    """Decode a body, predict, and encode the response in the requested type.

    Args:
        request: JSON (the default), ``.npy`` or protobuf, optionally gzipped.
        servable: The model to run.
        timer: Records each phase.
        place: The request's admission, and its memory budget.
        options: Formats and limits.
        deadline: How long the call may wait and run.

    Returns:
        The response's content type and body.

    Raises:
        ServingError: The body or the call is wrong, or the engine failed.
    """
    sent = options.bodies.sent(request)
    wanted = options.bodies.wanted(request, sent)
    # A gzipped body may expand to the limit.
    text_bytes = options.max_body_bytes if is_compressed(request) else len(request.body) * sent.is_text
    with place.admission.alone_if_large(text_bytes, timer, deadline), timer.phase("decode"):
        body = inflate(request, options.max_body_bytes, place.budget)
        decoded = sent.decode(body, servable.signatures, check_inputs, place.budget)
        del body
    outputs = predict(servable, decoded.signature, decoded.inputs, timer, decoded.output_filter, deadline=deadline)
    text_bytes = sum(array.nbytes for array in outputs.values()) * wanted.is_text
    with place.admission.alone_if_large(text_bytes, timer, deadline), timer.phase("encode"):
        answer = ModelAnswer(servable.model_name, servable.version, decoded.signature.name, outputs, decoded.by_row)
        return wanted.name, wanted.encode(answer)
