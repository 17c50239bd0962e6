"""A private Dropbear, the SSH server of small devices, with OpenSSH's program for SFTP."""

import subprocess
from pathlib import PurePosixPath

from deploy.local.servers.sftp_server import SftpServer, installed


class Dropbear(SftpServer):
    """A Dropbear; it confines nobody to a folder, so clients see the folder ``files`` below ``root``."""

    root = PurePosixPath("/run/sftp")
    name = "dropbear"

    def _command(self) -> list[str]:
        key = self.home / "dropbear_key"
        convert = [installed("dropbearconvert"), "openssh", "dropbear", str(self._key()), str(key)]
        subprocess.run(convert, check=True, capture_output=True)
        server = [installed("dropbear"), "-F", "-E", "-m", "-j", "-k", "-w", "-P", "/run/dropbear.pid"]
        return self._confined([*server, "-r", str(key), "-p", f"{self.host}:{self.port}"])
