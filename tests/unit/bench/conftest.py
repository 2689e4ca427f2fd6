import sys
from pathlib import Path

# For the runs that several tests share.
sys.path.insert(0, str(Path(__file__).parent))
