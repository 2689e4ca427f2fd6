"""Generate the protobuf code from protos/proto, or check that the committed code is what would be generated.

Run as ``hatch run gen`` and ``hatch run gen --check``, in an environment that pins protoc and its plugins.
"""

import argparse
import filecmp
import re
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "proto"
OUTPUT = HERE / "src"
PACKAGE = Path("serverless_dnn/protos/v1")


def _generate(output: Path) -> None:
    sources = sorted((SOURCES / PACKAGE).glob("*.proto"))
    services = [source for source in sources if re.search(r"^service ", source.read_text(), re.MULTILINE)]
    include = [f"-I{SOURCES}", f"-I{files('grpc_tools') / '_proto'}"]
    messages = [f"--python_out={output}", f"--mypy_out=quiet:{output}", *map(str, sources)]
    stubs = [f"--grpc_python_out={output}", f"--mypy_grpc_out=quiet:{output}", *map(str, services)]
    for arguments in (messages, stubs):
        if protoc.main(["protoc", *include, *arguments]) != 0:
            sys.exit("protoc failed: its message is above")
    (output / PACKAGE / "__init__.py").write_text(
        '"""Generated from protos/proto by `hatch run gen`: do not edit."""\n', encoding="utf-8"
    )


def main() -> None:
    """Write the generated code, or with ``--check`` exit 1 and name the files that differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare with the committed code")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        _generate(fresh if check else OUTPUT)
        if not check:
            return
        names = {path.name for root in (fresh, OUTPUT) for path in (root / PACKAGE).glob("*.py*")}
        stale = filecmp.cmpfiles(fresh / PACKAGE, OUTPUT / PACKAGE, sorted(names), shallow=False)
        if different := sorted([*stale[1], *stale[2]]):
            sys.exit(f"generated code is not up to date, run `hatch run gen`: {', '.join(different)}")


if __name__ == "__main__":
    main()
