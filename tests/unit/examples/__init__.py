"""The example programs import each other by bare names, as programs do; so do their tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "docs" / "examples" / "league"))
