"""The account files of the private SSH server, seen by that server alone."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

# The server's own account for its unprivileged half, and the clients', apart from the machine's.
_SSHD_ID = 60_000
_CLIENTS_ID = 60_001

_NSSWITCH = "passwd: files\ngroup: files\nshadow: files\nhosts: files\n"
_GROUP = f"root:x:0:\nsshd:x:{_SSHD_ID}:\nclients:x:{_CLIENTS_ID}:\n"
_PASSWD = f"root:x:0:0::/:/usr/sbin/nologin\nsshd:x:{_SSHD_ID}:{_SSHD_ID}::/run/sshd:/usr/sbin/nologin\n"


def write_accounts(folder: Path, users: Mapping[str, str]) -> None:
    """Write the account files for clients given as name and password.

    A file that exists is changed in place: a running server holds it by its inode.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clients = "".join(f"{name}:x:{_CLIENTS_ID}:{_CLIENTS_ID}::/:/bin/sh\n" for name in users)
    shadow = "".join(f"{name}:{_hashed(password)}:19000:0:99999:7:::\n" for name, password in users.items())
    _write_in_place(folder / "nsswitch.conf", _NSSWITCH, mode=0o644)
    _write_in_place(folder / "group", _GROUP, mode=0o644)
    _write_in_place(folder / "passwd", _PASSWD + clients, mode=0o644)
    _write_in_place(folder / "shadow", shadow, mode=0o600)


def _write_in_place(path: Path, text: str, *, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, mode)
    try:
        os.fchmod(handle, mode)
        # Written before it is cut, so that a login at this moment never finds an empty file.
        os.write(handle, text.encode())
        os.ftruncate(handle, len(text.encode()))
    finally:
        os.close(handle)


def _hashed(password: str) -> str:
    command = ["openssl", "passwd", "-6", "-stdin"]
    return subprocess.run(command, input=password, text=True, capture_output=True, check=True).stdout.strip()
