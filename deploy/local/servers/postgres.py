"""A private PostgreSQL server."""

import hashlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg
from psycopg import sql

from deploy.local.servers.ports import LOOPBACK
from deploy.local.servers.process import ServerFailed, ended_with_owner, is_root
from deploy.local.servers.server import Server

_USER = "postgres"
_FAST = ("fsync", "synchronous_commit", "full_page_writes")


class Postgres(Server):
    """A PostgreSQL server of our own with its data below ``home``.

    It listens on the loopback interface only and takes ``postgres``, with a password generated
    once, and the roles that were let in. What is committed survives ``kill()`` and a power cut, unless ``fast`` is set:
    then only ``stop()`` keeps the data for certain. With ``die_with_parent`` it stops when the
    interpreter that started it ends.
    """

    # A "fast" shutdown: sessions are ended, not waited for.
    _stop_signal = signal.SIGINT

    def __init__(
        self, home: Path, *, port: int | None = None, fast: bool = False, die_with_parent: bool = True
    ) -> None:
        home = home.absolute()
        self._data = home / "data"
        super().__init__("postgres", home, port=port, mark=f"-D {self._data}")
        self._password_file = home / "password"
        self._fast = fast
        self._die_with_parent = die_with_parent

    def dsn(self, database: str = _USER, *, user: str = _USER) -> str:
        """Return the postgresql:// address of a database, for a user; needs a server started once."""
        return f"postgresql://{user}:{self._password(user)}@{LOOPBACK}:{self.port}/{database}"

    def let_in(self, *roles: str) -> None:
        """Let roles that exist log in, each with a password of its own."""
        for role in roles:
            statement = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}")
            self._execute(statement.format(sql.Identifier(role), sql.Literal(self._password(role))))

    def _password(self, user: str) -> str:
        generated = self._password_file.read_text()
        if user == _USER:
            return generated
        return hashlib.blake2b(user.encode(), key=generated.encode(), digest_size=16).hexdigest()

    def has_database(self, name: str) -> bool:
        """Whether there is such a database."""
        with psycopg.connect(self.dsn()) as connection:
            return connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is not None

    def create_database(self, name: str, template: str | None = None) -> None:
        """Create a database, as a copy of ``template`` if given."""
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        self._execute(statement)

    def drop_database(self, name: str) -> None:
        """Drop a database if it exists, ending its sessions."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute(statement)

    def _launch(self) -> None:
        if not self._data.exists():
            self._create_data()
        options = ["-c", f"listen_addresses={LOOPBACK}", "-c", "unix_socket_directories="]
        for name in _FAST if self._fast else ():
            options += ["-c", f"{name}=off"]
        command = [str(_binary("postgres")), "-D", str(self._data), "-p", str(self.port), *options]
        if self._die_with_parent:
            command = ended_with_owner(command, signal.SIGINT)
        self._process.start(_unprivileged(command))

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.dsn(), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _create_data(self) -> None:
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_hex(16))
        # Renamed when complete, so that what an interrupted run leaves is never taken for data.
        part = self.home / "data.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=0o700)
        if is_root():
            os.chown(part, _account().pw_uid, _account().pw_gid)
        command = [str(_binary("initdb")), "-D", str(part), "-U", _USER, "--encoding=UTF8"]
        command += ["--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={self._password_file}"]
        with self.log_path.open("ab") as log:
            done = subprocess.run(_unprivileged(command), stdout=log, stderr=log, check=False)
        if done.returncode != 0:
            raise self._process.failure("could not create its data")
        part.rename(self._data)


def _binary(name: str) -> Path:
    """Return a PostgreSQL program, of the newest release installed."""
    installed = Path("/usr/lib/postgresql").glob(f"[0-9]*/bin/{name}")
    newest = max(installed, key=lambda path: float(path.parts[-3]), default=None)
    on_path = shutil.which(name)
    if newest is None and on_path is None:
        raise ServerFailed("PostgreSQL is not installed: run `make setup`.")
    return newest or Path(str(on_path))


def _account() -> pwd.struct_passwd:
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


def _unprivileged(command: list[str]) -> list[str]:
    """Return the command as PostgreSQL accepts it: never as root.

    Another user could not reach a clone below a private folder such as /root. The server therefore
    keeps the right to pass folder permissions, and no other right of root.
    """
    if not is_root():
        return command
    account = _account()
    switch = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    reach = ["--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override"]
    return [*switch, *(reach if _works([*switch, *reach, "true"]) else []), *command]


def _works(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
