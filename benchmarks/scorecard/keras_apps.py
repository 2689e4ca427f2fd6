"""Stock Keras applications as SavedModels, each built once."""

import subprocess
import sys
from pathlib import Path

APPS = {
    **dict.fromkeys(("EfficientNetB0", "ResNet50", "MobileNetV3Small", "DenseNet121", "NASNetMobile"), 224),
    **dict.fromkeys(("ConvNeXtTiny", "MobileNetV2", "EfficientNetV2B0"), 224),
    **dict.fromkeys(("Xception", "InceptionV3"), 299),
}
"""Names in ``keras.applications``, with the image height and width that each was published with."""

_MAKE = """
import sys
import keras

name, size, folder = sys.argv[1:]
keras.utils.set_random_seed(0)
shape = (int(size), int(size), 3)
getattr(keras.applications, name)(weights=None, input_shape=shape).export(folder, verbose=False)
"""


def build_app_if_missing(name: str, folder: Path) -> Path:
    """Build an application with fixed random weights, unless it is already on disk.

    Args:
        name: One of ``APPS``.
        folder: Holds one folder per application.

    Returns:
        Its version folder.

    Raises:
        RuntimeError: It could not be built; the message quotes the build's stderr.
    """
    version_folder = folder / name / "1"
    if not version_folder.exists():
        print(f"building {name} in {version_folder}", file=sys.stderr, flush=True)
        aside = version_folder.with_name("1.partial")
        # A separate process, to keep TensorFlow out of this one.
        command = [sys.executable, "-c", _MAKE, name, str(APPS[name]), str(aside)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{name} could not be built: {done.stderr[-2000:]}")
        aside.rename(version_folder)
    return version_folder
