"""NumPy's products keep to one thread, in the command line and in the site, unless the user says otherwise."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

COUNT = "import numpy, threadpoolctl; print([one['num_threads'] for one in threadpoolctl.threadpool_info()])"
COMMAND_LINE = f"""
import sys
sys.argv = ["sightsound", "--version"]
from sightsound.cli import main
try:
    main()
except SystemExit:
    {COUNT}
"""
SITE = f"import sightsound.webapp; {COUNT}"


@pytest.mark.parametrize("script", [COMMAND_LINE, SITE], ids=["command line", "site"])
@pytest.mark.parametrize(("said", "threads"), [({}, 1), ({"OPENBLAS_NUM_THREADS": "2"}, 2)], ids=["unsaid", "said"])
def test_products_are_made_in_one_thread_unless_the_user_said_how_many(
    script: str, said: dict[str, str], threads: int
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"} | said
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.splitlines()[-1] == f"[{threads}]"
