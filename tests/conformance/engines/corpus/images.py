"""Image operators: every way to resize, and what stands before and after a detector or a classifier."""

import numpy as np

from corpus.registry import Arrays, Group, Random, tf
from corpus.values import NAN, f32, i32, pixels

group = Group("images")
FREE = {"x": ([None, None, None, 3], "float32")}
FIXED = {"x": ([None, 6, 5, 3], "float32")}


def _images(random: Random) -> list[Arrays]:
    shapes = ((1, 6, 5, 3), (2, 11, 8, 3), (1, 1, 1, 3), (3, 20, 20, 3), (0, 6, 5, 3))
    return [{"x": random.random(shape).astype(np.float32)} for shape in shapes]


def _fixed(random: Random) -> list[Arrays]:
    images = random.random((2, 6, 5, 3)).astype(np.float32)
    spoiled = images.copy()
    spoiled[0, 2, 3, 1] = NAN
    return [{"x": images}, {"x": images[:1] * 255}, {"x": images[:0]}, {"x": spoiled}, {"x": images - 0.5}]


METHODS = ("bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5", "gaussian", "mitchellcubic")


def _resize(method: str, *, antialias: bool):
    return lambda x: {
        "larger": tf.image.resize(x, [9, 14], method, antialias=antialias),
        "smaller": tf.image.resize(x, [3, 2], method, antialias=antialias),
        "mixed": tf.image.resize(x, [4, 15], method, antialias=antialias),
    }


for _method in METHODS:
    group.add_function(f"resized_{_method}", _resize(_method, antialias=False), FREE, _images, atol=1e-4)
for _method in ("bilinear", "bicubic", "lanczos3"):
    group.add_function(f"resized_{_method}_smoothly", _resize(_method, antialias=True), FREE, _images, atol=1e-4)


def _old_resize(operator: str, **options: bool):
    def call(x):
        resize = getattr(tf.raw_ops, operator)
        return {
            "larger": resize(images=x, size=[13, 12], **options),
            "smaller": resize(images=x, size=[3, 4], **options),
            "one": resize(images=x, size=[1, 1], **options),
        }

    return call


for _operator, _old in (
    ("ResizeBilinear", "bilinear"),
    ("ResizeNearestNeighbor", "nearest"),
    ("ResizeBicubic", "bicubic"),
):
    for _align, _half in ((False, False), (True, False), (False, True)):
        _suffix = "aligned" if _align else "centred" if _half else "plain"
        _call = _old_resize(_operator, align_corners=_align, half_pixel_centers=_half)
        group.add_function(f"operator_{_old}_{_suffix}", _call, FIXED, _fixed, atol=1e-4)


@group.function(
    {"x": ([None, 6, 5, 3], "uint8")}, lambda r: [{"x": pixels(r, n, 6, 5, 3)} for n in (1, 2, 0)], atol=1e-3
)
def bytes_resized(x):
    return {
        "bilinear": tf.image.resize(x, [4, 9]),
        "nearest": tf.image.resize(x, [9, 4], "nearest"),
        "area": tf.image.resize(x, [3, 5], "area"),
    }


@group.function({"x": ([None, None, None, 3], "float32"), "size": ([2], "int32")}, lambda r: [
    {"x": r.random((1, 6, 5, 3)).astype(np.float32), "size": i32(*size)} for size in ((3, 4), (12, 10), (0, 4), (-1, 4), (6, 5))
], atol=1e-4)  # fmt: skip
def resized_to_the_callers_size(x, size):
    return tf.image.resize(x, size)


@group.function(FREE, _images, atol=1e-4)
def resized_within_a_frame(x):
    return {
        "padded": tf.image.resize_with_pad(x, 8, 12),
        "kept": tf.image.resize(x, [10, 10], preserve_aspect_ratio=True),
    }


@group.function(FREE, _images)
def cropped_and_padded(x):
    return {"either": tf.image.resize_with_crop_or_pad(x, 7, 7), "central": tf.image.central_crop(x, 0.5)}


@group.function(FIXED, _fixed)
def boxes_of_images(x):
    return {"crop": tf.image.crop_to_bounding_box(x, 1, 2, 4, 3), "frame": tf.image.pad_to_bounding_box(x, 2, 1, 10, 9)}


@group.function(FIXED, _fixed)
def turned_images(x):
    return {
        "left": tf.image.flip_left_right(x),
        "up": tf.image.flip_up_down(x),
        "quarter": tf.image.rot90(x, 3),
        "transposed": tf.image.transpose(x),
    }


BOXES = {"x": ([None, 6, 5, 3], "float32"), "boxes": ([None, 4], "float32"), "of": ([None], "int32")}


def _boxes(random: Random) -> list[Arrays]:
    x = random.random((2, 6, 5, 3)).astype(np.float32)
    inside = f32([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.7], [0.5, 0.5, 0.5, 0.5])
    outside = f32([-0.3, 0, 1.2, 1], [0.9, 0.8, 0.1, 0.2])
    return [
        {"x": x, "boxes": inside, "of": i32(0, 1, 1)},
        {"x": x, "boxes": outside, "of": i32(1, 0)},
        {"x": x, "boxes": inside[:1], "of": i32(2)},
        {"x": x, "boxes": inside[:1], "of": i32(-1)},
        {"x": x, "boxes": inside[:0], "of": i32()},
        {"x": x, "boxes": f32([0, NAN, 1, 1]), "of": i32(0)},
    ]


@group.function(BOXES, _boxes)
def crops_resized_bilinear(x, boxes, of):
    return tf.image.crop_and_resize(x, boxes, of, [4, 3], extrapolation_value=-1)


@group.function(BOXES, _boxes)
def crops_resized_nearest(x, boxes, of):
    return tf.image.crop_and_resize(x, boxes, of, [4, 3], "nearest")


@group.function(BOXES, _boxes)
def crops_of_one_point(x, boxes, of):
    return tf.image.crop_and_resize(x, boxes, of, [1, 1])


def _detections(random: Random) -> list[Arrays]:
    corner = random.random((24, 2)) * 0.7
    boxes = np.concatenate([corner, corner + 0.05 + random.random((24, 2)) * 0.3], 1).astype(np.float32)
    scores = random.random(24).astype(np.float32)
    spoiled = scores.copy()
    spoiled[3] = NAN
    return [
        {"boxes": boxes, "scores": s}
        for s in (scores, np.round(scores, 1), np.full(24, 0.5, np.float32), scores * 0, spoiled)
    ]


DETECTIONS = {"boxes": ([None, 4], "float32"), "scores": ([None], "float32")}


@group.function(DETECTIONS, _detections, exact=True)
def best_boxes(boxes, scores):
    return {
        "few": tf.image.non_max_suppression(boxes, scores, 5, 0.4),
        "sure": tf.image.non_max_suppression(boxes, scores, 30, 0.2, 0.5),
    }


@group.function(DETECTIONS, _detections)
def best_boxes_softly(boxes, scores):
    chosen, kept = tf.image.non_max_suppression_with_scores(boxes, scores, 8, 0.5, 0.1, soft_nms_sigma=0.5)
    return {"chosen": chosen, "kept": kept}


@group.function({"boxes": ([None, 12, 1, 4], "float32"), "scores": ([None, 12, 2], "float32")}, lambda r: [
    {"boxes": np.sort(r.random((n, 12, 1, 4)), -1).astype(np.float32), "scores": r.random((n, 12, 2)).astype(np.float32)} for n in (1, 3)
])  # fmt: skip
def best_boxes_of_classes(boxes, scores):
    found = tf.image.combined_non_max_suppression(boxes, scores, 4, 6, 0.4, 0.3)
    return {"boxes": found[0], "scores": found[1], "classes": found[2], "count": found[3]}


@group.function(FIXED, _fixed, atol=1e-4)
def colours(x):
    return {
        "hsv": tf.image.rgb_to_hsv(x),
        "grey": tf.image.rgb_to_grayscale(x),
        "yiq": tf.image.rgb_to_yiq(x),
        "rgb": tf.image.hsv_to_rgb(tf.clip_by_value(x, 0, 1)),
    }


@group.function(FIXED, _fixed, atol=1e-4)
def adjusted_colours(x):
    return {
        "brightness": tf.image.adjust_brightness(x, 0.2),
        "contrast": tf.image.adjust_contrast(x, 0.7),
        "hue": tf.image.adjust_hue(x, 0.1),
        "saturation": tf.image.adjust_saturation(x, 0.5),
        "gamma": tf.image.adjust_gamma(tf.abs(x), 0.8),
    }


@group.function({"x": ([None, 4, 4, 3], "uint8")}, lambda r: [{"x": pixels(r, n, 4, 4, 3)} for n in (1, 3)], atol=1e-3)
def bytes_to_numbers_and_back(x):
    unit = tf.image.convert_image_dtype(x, tf.float32)
    return {"unit": unit, "bytes": tf.image.convert_image_dtype(unit * 1.3, tf.uint8, saturate=True), "halves": x // 2}


@group.function(FIXED, _fixed, atol=1e-3)
def standardised_images(x):
    return {
        "each": tf.image.per_image_standardization(x),
        "channels": (x - f32(0.485, 0.456, 0.406)) / f32(0.229, 0.224, 0.225),
    }


@group.function(FIXED, _fixed)
def edges_of_images(x):
    return {
        "sobel": tf.image.sobel_edges(x),
        "gradient": tf.image.image_gradients(x)[0],
        "variation": tf.image.total_variation(x),
    }


@group.function({"x": ([None, 6, 6, 1], "float32"), "by": ([None, 8], "float32")}, lambda r: [
    {"x": r.random((2, 6, 6, 1)).astype(np.float32), "by": f32([1, 0.2, -1, 0, 1, 0.5, 0, 0], [0.7, -0.7, 2, 0.7, 0.7, 0, 0.01, 0])}
])  # fmt: skip
def images_under_a_projection(x, by):
    return {
        mode.lower(): tf.raw_ops.ImageProjectiveTransformV3(
            images=x, transforms=by, output_shape=[5, 7], interpolation="BILINEAR", fill_mode=mode, fill_value=0.25
        )
        for mode in ("CONSTANT", "NEAREST", "WRAP")
    }
