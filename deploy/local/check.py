"""Everything that must be clean before a change lands: `make test`."""

import subprocess
import sys
import time
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_BIN = Path(sys.executable).parent

_STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("format", ("ruff", "format", "--check", "--quiet", ".")),
    ("lint", ("ruff", "check", "--quiet", ".")),
    ("types", ("mypy", "shared", "services", "deploy", "tests")),
    ("boundaries", ("lint-imports", "--no-logo")),
    ("tests", ("pytest", "--quiet", "--durations=10", "--numprocesses=2", "--dist=loadfile", "-m", "not slow")),
)


def main() -> int:
    """Run every step, also after one that failed; 0 when all are clean."""
    failed = []
    for name, (program, *arguments) in _STEPS:
        begun = time.monotonic()
        sys.stdout.write(f"== {name}\n")
        sys.stdout.flush()
        if subprocess.run([str(_BIN / program), *arguments], cwd=_ROOT, check=False).returncode != 0:
            failed.append(name)
        sys.stdout.write(f"   {time.monotonic() - begun:.1f} s\n")
    sys.stdout.write(f"not clean: {', '.join(failed)}\n" if failed else "all clean\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
