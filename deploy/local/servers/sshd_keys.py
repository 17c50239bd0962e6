"""Host keys of the private SSH server."""

import base64
import hashlib
import subprocess
from pathlib import Path
from typing import Literal

KeyKind = Literal["ed25519", "rsa", "ecdsa"]


def create_key(path: Path, kind: KeyKind) -> None:
    """Create a host key without a passphrase, and its ``.pub``, replacing an earlier one."""
    path.unlink(missing_ok=True)
    command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def fingerprint(path: Path) -> str:
    """Return the fingerprint of the host key, as ``SHA256:...``."""
    blob = base64.b64decode(path.with_suffix(".pub").read_text().split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
