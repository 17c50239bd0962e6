"""A private ProFTPD with its SFTP module."""

from deploy.local.servers.sftp_server import SftpServer, installed

_CONFIGURATION = """\
LoadModule mod_sftp.c
ServerType standalone
DefaultAddress {host}
Port {port}
SocketBindTight on
UseIPv6 off
UseReverseDNS off
User sshd
Group sshd
AuthOrder mod_auth_unix.c
<IfModule mod_delay.c>
  DelayEngine off
</IfModule>
DefaultRoot /run/sftp
PidFile /run/proftpd.pid
ScoreboardFile /run/proftpd.scoreboard
WtmpLog off
TransferLog none
SystemLog "{log}"
SFTPEngine on
SFTPAuthMethods password
SFTPHostKey "{key}"
SFTPLog "{log}"
"""


class Proftpd(SftpServer):
    """A ProFTPD that speaks SFTP only; users see the folder ``files`` as ``/``."""

    name = "proftpd"

    def _command(self) -> list[str]:
        config = self.home / "proftpd.conf"
        config.write_text(_CONFIGURATION.format(host=self.host, port=self.port, key=self._key(), log=self.log_path))
        return self._confined([installed("proftpd"), "--nodaemon", "--config", str(config)])
