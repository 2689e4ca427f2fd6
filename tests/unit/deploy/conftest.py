"""Lets the tests of the images import what they share."""

import sys
from pathlib import Path

# Tests are no package.
sys.path.insert(0, str(Path(__file__).parent))
