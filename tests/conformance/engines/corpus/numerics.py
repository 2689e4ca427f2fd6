"""Transforms, decompositions and other operators that few engines have."""

import numpy as np

from corpus.registry import Arrays, Group, Random, tf
from corpus.values import constant, f32, float_cases, normal

group = Group("numerics")
WAVE, SQUARE = {"x": ([None, 16], "float32")}, {"x": ([None, 3, 3], "float32")}


def _positive(random: Random) -> list[Arrays]:
    half = random.normal(size=(4, 3, 3))
    matrices = (half @ half.transpose(0, 2, 1) + 0.5 * np.eye(3)).astype(np.float32)
    return [
        {"x": matrices},
        {"x": matrices[:1]},
        {"x": matrices[:0]},
        {"x": np.zeros((1, 3, 3), np.float32)},
        {"x": -matrices},
    ]


@group.function(WAVE, float_cases(16), atol=1e-4)
def spectrum_of_real_numbers(x):
    spectrum = tf.signal.rfft(x, [20])
    return {"real": tf.math.real(spectrum), "size": tf.abs(tf.signal.rfft(x)), "back": tf.signal.irfft(spectrum, [20])}


@group.function(WAVE, float_cases(16), atol=1e-4)
def spectrum_of_complex_numbers(x):
    spectrum = tf.signal.fft(tf.complex(x, -x))
    return {
        "imaginary": tf.math.imag(spectrum),
        "shifted": tf.math.real(tf.signal.fftshift(spectrum)),
        "back": tf.abs(tf.signal.ifft(spectrum)),
    }


@group.function({"x": ([None, 4, 6], "float32")}, float_cases(4, 6), atol=1e-4)
def spectrum_of_images(x):
    return {"plane": tf.abs(tf.signal.rfft2d(x)), "cosine": tf.signal.dct(x, norm="ortho")}


@group.function(
    {"x": ([None, None], "float32")},
    lambda r: [{"x": normal(r, n, size)} for n, size in ((1, 64), (2, 50), (1, 16))],
    atol=1e-3,
)
def spectrogram(x):
    frames = tf.signal.stft(x, 16, 8, 16)
    mel = tf.signal.linear_to_mel_weight_matrix(5, 9, 8000, 100, 3900)
    return {"frames": tf.signal.frame(x, 16, 8, pad_end=True), "mel": tf.math.log(tf.abs(frames) @ mel + 1e-3)}


# Where there are none, TensorFlow leaves half of its answer unwritten.
@group.function(SQUARE, lambda r: _positive(r)[:3], rtol=1e-3, atol=1e-3)
def cholesky_factors(x):
    return tf.linalg.cholesky(x)


@group.function(SQUARE, _positive, rtol=1e-3, atol=1e-3)
def inverses_of_matrices(x):
    return {"inverse": tf.linalg.inv(x), "determinant": tf.linalg.det(x)}


@group.function(SQUARE, _positive, rtol=1e-3, atol=1e-3)
def solutions_of_equations(x):
    return {
        "solved": tf.linalg.solve(x, x[:, :, :1]),
        "triangular": tf.linalg.triangular_solve(tf.linalg.band_part(x, -1, 0), x),
    }


@group.function(SQUARE, lambda r: _positive(r)[:4], rtol=1e-3, atol=1e-3)
def values_of_matrices(x):
    return {"eigen": tf.linalg.eigvalsh(x), "singular": tf.linalg.svd(x, compute_uv=False), "trace": tf.linalg.trace(x)}


@group.function(SQUARE, lambda r: _positive(r)[:2], rtol=1e-3, atol=1e-3)
def other_decompositions(x):
    q, r = tf.linalg.qr(x)
    return {"product": q @ r, "log": tf.linalg.logdet(x), "root": tf.linalg.sqrtm(x), "exp": tf.linalg.expm(x / 10)}


@group.function({"x": ([None, 6], "float32")}, float_cases(6))
def distances(x):
    centres = constant(4, 6)
    squares = tf.reduce_sum((x[:, None] - centres) ** 2, -1)
    return {
        "nearest": tf.argmin(squares, 1, output_type=tf.int32),
        "cosine": tf.matmul(tf.nn.l2_normalize(x, 1), tf.nn.l2_normalize(centres, 1), transpose_b=True),
        "soft": tf.nn.softmax(-squares),
    }


@group.function({"x": ([None, 5], "float32")}, float_cases(5))
def quantised_and_back(x):
    quantise = tf.quantization.quantize_and_dequantize_v2
    return {
        "signed": quantise(x, -2.0, 2.0, range_given=True),
        "unsigned": quantise(tf.abs(x), 0.0, 4.0, signed_input=False, range_given=True, num_bits=4),
    }


@group.function(
    {"x": ([None, 4], "float32")}, [{"x": f32([0, 1, 2, 3], [-1, 0.5, 9, 2])}, {"x": f32([0.1, 0.2, 0.3, 0.4])}]
)
def polynomials_and_beta(x):
    return {
        "polynomial": tf.math.polyval([2.0, -1.0, 0.5], x),
        "beta": tf.math.betainc(2.0, 3.0, tf.clip_by_value(x, 0, 1)),
        "lbeta": tf.math.lbeta(tf.abs(x) + 0.5),
    }


@group.function({"x": ([None, 4], "float32")}, float_cases(4))
def mixtures_of_experts(x):
    gate = tf.nn.softmax(x @ constant(4, 3))
    weights, chosen = tf.math.top_k(gate, 2)
    experts = tf.einsum("bd,edf->bef", x, constant(3, 4, 5))
    return tf.reduce_sum(tf.gather(experts, chosen, batch_dims=1) * weights[:, :, None], 1)
