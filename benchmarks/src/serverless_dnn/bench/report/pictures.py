"""A run's main picture as a PNG file, drawn by a headless Chromium; for a README.

::

    python -m serverless_dnn.bench.report.pictures runs/20261127T101500.000000Z-mobilenet_v1 docs/images/report.png
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from serverless_dnn.bench.analysis.summary import summarize
from serverless_dnn.bench.errors import BenchError, OptionError
from serverless_dnn.bench.report.page import render_picture
from serverless_dnn.bench.run_folder import read_run

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_WIDTH_PX = 960
_TIMEOUT_S = 60
# The picture's height is known once it is laid out.
_MEASURE = "<script>document.documentElement.dataset.height = document.body.offsetHeight</script></body>"


def find_browser() -> str | None:
    """The path of a Chromium; ``None`` if none is installed."""
    return next((path for name in _BROWSERS if (path := shutil.which(name))), None)


def write_picture(folder: Path, path: Path) -> Path:
    """Write a run's answer and main picture as a PNG file.

    Args:
        folder: The run's folder.
        path: The file.

    Returns:
        The file.

    Raises:
        RunFolderError: The folder is not a run.
        OptionError: There is no Chromium, or it could not write the file.
    """
    browser = find_browser()
    if browser is None:
        raise OptionError("a picture needs Chromium: install it, for instance with `apt-get install chromium`")
    data = read_run(folder)
    page = render_picture(data, summarize(data))
    with tempfile.TemporaryDirectory() as scratch:
        html, png = Path(scratch, "picture.html"), Path(scratch, "picture.png")
        html.write_text(page.replace("</body>", _MEASURE), encoding="utf-8")
        command = [browser, "--headless", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
        # In a container its sandbox cannot start; the page is our own, and loads nothing.
        command += ["--no-sandbox", f"--user-data-dir={scratch}/profile"]
        dumped = _run([*command, f"--window-size={_WIDTH_PX},800", "--dump-dom", html.as_uri()])
        height = re.search(r'data-height="(\d+)"', dumped)
        if height is None:
            raise OptionError(f"{browser} did not lay the picture out")
        size = f"--window-size={_WIDTH_PX},{height[1]}"
        _run([*command, size, "--force-device-scale-factor=2", f"--screenshot={png}", html.as_uri()])
        if not png.exists():
            raise OptionError(f"{browser} did not write the picture")
        aside = path.with_name(f"{path.name}.partial")
        try:
            shutil.copyfile(png, aside)
            aside.rename(path)
        except OSError as error:
            raise OptionError(f"cannot write {path}: {error.strerror or error}") from None
    return path


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise OptionError(f"{command[0]} failed: {error}") from None
    return done.stdout


def main() -> int:
    """Write the picture of the run that the command line names.

    Returns:
        The exit status.
    """
    if len(sys.argv) != 3:
        sys.stderr.write("usage: python -m serverless_dnn.bench.report.pictures RUN_FOLDER FILE.png\n")
        return 2
    try:
        write_picture(Path(sys.argv[1]), Path(sys.argv[2]))
    except BenchError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
