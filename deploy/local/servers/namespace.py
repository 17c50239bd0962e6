"""A namespace in which a server has accounts and files of its own."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local.servers.process import ServerFailed, is_root
from deploy.local.servers.sshd_accounts import write_accounts

_SCRIPT = Path(__file__).with_name("namespace.sh")
_UNSHARE = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork")
_USER_NAMESPACE = (*_UNSHARE, "--user", "--map-root-user", "--map-auto")


def confined(
    command: Sequence[str], *, accounts: Path, users: Mapping[str, str], files: Path, owned: bool
) -> list[str]:
    """Return the command such that it runs as root of a namespace with these users, and the files as /run/sftp.

    The users, given as name and password, are another system user than the caller; their accounts
    are written to the folder. With ``owned`` all ends when the standard input does. It takes root,
    sudo without a question, or user namespaces with a range of ids, else ServerFailed is raised;
    through sudo, only top-level folders of the files that exist at the start are seen.
    """
    write_accounts(accounts, users)
    script = [str(_SCRIPT), str(accounts), str(files), "owned" if owned else "free"]
    return [*_namespace(), "sh", *script, *command]


def _namespace() -> list[str]:
    """Return the command prefix that gives this user a namespace to set up as root."""
    choices = [_UNSHARE] if is_root() else [("sudo", "-n", *_UNSHARE), _USER_NAMESPACE]
    refusals = []
    for choice in [choice for choice in choices if shutil.which(choice[0])]:
        probe = [*choice, "mount", "-t", "tmpfs", "tmpfs", "/run"]
        done = subprocess.run(probe, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return list(choice)
        refusals.append(done.stderr.strip())
    raise ServerFailed(
        "The SFTP server needs a namespace of its own: run this as root or with sudo "
        f"({'; '.join(refusals) or 'no unshare command'})."
    )
