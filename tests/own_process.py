"""Run code of a test in a process with a virtual clock.

pytest has imported LiveKit long before, and the clock must come first.
"""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run_virtually(code: str, timeout_s: float = 120) -> object:
    """What a program that defines `main()` returns from it, as plain JSON values."""
    program = (
        "import json, sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        f"sys.path.insert(0, {str(ROOT / 'tests')!r})\n"
        "from lab_utils.session import clock\n"
        "clock.install()\n" + textwrap.dedent(code) + "\nprint(json.dumps(main()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
