"""What imports are measured against: PostgreSQL's own COPY, and the simplest honest sync that one writes by hand."""

import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.servers.postgres import Postgres
from tests.bench import processes
from tests.bench.against import PATH, Sftp
from tests.bench.lead_file import HEADER
from tests.bench.report import Spent

_DATABASE = "reference"
_KEY = '"CRM id"'
_COLUMNS = ", ".join(f'"{name}" text' for name in HEADER)
_REST = [f'"{name}"' for name in HEADER if f'"{name}"' != _KEY]
_UPSERT = f"""
    insert into synced select * from incoming
    on conflict ({_KEY}) do update set ({", ".join(_REST)}) = row ({", ".join(f"excluded.{name}" for name in _REST)})
"""
_DIFFERS = "where synced.* is distinct from excluded.*"


class Reference:
    """The `psql` and `sftp` commands, on a database of its own in the PostgreSQL that is measured."""

    def __init__(self, postgres: Postgres, sftp: Sftp, port: int, home: Path) -> None:
        self._dsn = postgres.dsn(_DATABASE)
        self._postgres = processes.pid(postgres)
        self._sftp = sftp
        self._port = port
        self._got = home / "got.csv"

    def copied(self, file: Path) -> Spent:
        r"""`\copy` into a bare, logged table of text columns."""
        self._psql("drop table if exists bare", f"create table bare ({_COLUMNS})", "checkpoint")
        spent = self._spent(lambda: self._psql(_copy("bare", file)))
        self._psql("drop table bare")
        return spent

    def begin_sync(self) -> None:
        """Make the table of the hand-written sync anew."""
        self._psql("drop table if exists synced", f"create table synced ({_COLUMNS}, unique ({_KEY}))")

    def synced(self, *, careful: bool = True) -> Spent:
        """The hand-written sync of the file on the server; a careful one leaves equal rows alone."""
        self._psql("vacuum analyze synced", "checkpoint")
        return self._spent(lambda: self._sync(_DIFFERS if careful else ""))

    def downloaded(self) -> Spent:
        """The `sftp` command for the file on the server."""
        return self._spent(self._download)

    def looked_at(self) -> Spent:
        """The `sftp` command to say size and time of the file on the server."""
        return self._spent(lambda: self._sftp.seconds(self._port, f"ls -l {PATH}"))

    def _sync(self, where: str) -> None:
        self._download()
        temporary = "create temp table incoming (like synced) on commit drop"
        self._psql("begin", temporary, _copy("incoming", self._got), _UPSERT + where, "commit")

    def _download(self) -> None:
        self._sftp.seconds(self._port, f"get {PATH} {self._got}")

    def _spent(self, work: Callable[[], object]) -> Spent:
        cpu, begun = self._cpu(), time.monotonic()
        work()
        return Spent(time.monotonic() - begun, self._cpu() - cpu)

    def _cpu(self) -> float:
        """Processor seconds of PostgreSQL, and of the commands that have ended."""
        commands = resource.getrusage(resource.RUSAGE_CHILDREN)
        return processes.cpu_seconds(self._postgres) + commands.ru_utime + commands.ru_stime

    def _psql(self, *commands: str) -> None:
        script = "\n".join(text if text.startswith("\\") else f"{text};" for text in commands)
        command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", self._dsn]
        subprocess.run(command, input=script.encode(), check=True, capture_output=True)


def _copy(table: str, file: Path) -> str:
    return f"\\copy {table} from '{file}' with (format csv, header, encoding 'UTF8')"


@contextmanager
def reference(postgres: Postgres, port: int, home: Path) -> Iterator[Reference]:
    """The reference with its database, which is dropped in the end; the SFTP server is at that port."""
    postgres.create_database(_DATABASE)
    try:
        yield Reference(postgres, Sftp(home), port, home)
    finally:
        postgres.drop_database(_DATABASE)
