"""Lets the processes of the fuzz, and this one, import what it is made of."""

import sys
from pathlib import Path

# Tests are no package; the fuzzed operators are one, and its processes import it too.
sys.path.insert(0, str(Path(__file__).parent))
