"""What a web worker must not load: the engines of the nightly work, each of tens of megabytes."""

import subprocess
import sys

ENGINES = ("pyarrow", "ibis", "duckdb", "deltalake")


def test_the_web_loads_no_engine() -> None:
    code = (
        "import sys, recommender.web.app; "
        f"print([name for name in {ENGINES!r} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
