"""The private servers start, answer, keep their data and leave nothing behind."""

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import obstore
import paramiko
import pika
import psutil
import psycopg
import pytest
from obstore.store import ObjectStore, from_url

from deploy.local.servers.asyncssh import Asyncssh
from deploy.local.servers.dropbear import Dropbear
from deploy.local.servers.ports import LOOPBACK
from deploy.local.servers.postgres import Postgres
from deploy.local.servers.process import ServerFailed
from deploy.local.servers.proftpd import Proftpd
from deploy.local.servers.rabbitmq import Rabbitmq
from deploy.local.servers.seaweedfs import Seaweedfs
from deploy.local.servers.server import Server
from deploy.local.servers.sftp_server import SftpServer
from deploy.local.servers.sshd import Sshd
from tests.conftest import started

USER, PASSWORD = "leadbay", "first password"
SFTP_SERVERS: list[type[SftpServer]] = [Sshd, Proftpd, Dropbear, Asyncssh]


def processes_below(home: Path) -> list[psutil.Process]:
    """Return the live processes that name the folder, or are children of one that does."""
    named = [process for process in psutil.process_iter() if str(home) in command_of(process)]
    children = [child for process in named for child in children_of(process)]
    return [process for process in {*named, *children} if is_alive(process)]


def command_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def children_of(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def listening_addresses(home: Path) -> set[str]:
    found = [connection for process in processes_below(home) for connection in connections_of(process)]
    return {connection.laddr.ip for connection in found if connection.status == psutil.CONN_LISTEN}


def connections_of(process: psutil.Process) -> list[Any]:
    try:
        return process.net_connections()
    except psutil.NoSuchProcess:
        return []


def wait_until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def sftp(server: SftpServer, password: str) -> Iterator[paramiko.SFTPClient]:
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    try:
        client.connect(server.host, server.port, USER, password, look_for_keys=False, allow_agent=False, timeout=10)
        yield client.open_sftp()
    finally:
        client.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A long folder that nobody else may enter, as a clone's may be."""
    folder = tmp_path / ("private-" + "x" * 100) / "servers"
    folder.mkdir(parents=True)
    folder.parent.chmod(0o700)
    return folder


def test_postgres_keeps_its_data_over_a_stop_and_a_kill(home: Path) -> None:
    with Postgres(home) as server:
        server.create_database("leads")
        with psycopg.connect(server.dsn("leads"), autocommit=True) as connection:
            connection.execute("CREATE TABLE lead AS SELECT 1 AS id")
            server.kill()
        server.start()
        server.restart()
        with psycopg.connect(server.dsn("leads")) as connection:
            assert connection.execute("SELECT id FROM lead").fetchone() == (1,)
    assert not processes_below(home)


def test_postgres_copies_and_drops_databases_in_use(home: Path) -> None:
    with Postgres(home, fast=True) as server:
        server.create_database("model")
        server.create_database("copy", template="model")
        with psycopg.connect(server.dsn("copy")):
            server.drop_database("copy")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(server.dsn("copy"))


def test_a_server_that_cannot_start_says_why_and_leaves_nothing(home: Path) -> None:
    with Postgres(home / "one", fast=True) as server:
        with pytest.raises(ServerFailed, match="Address already in use"):
            Postgres(home / "two", port=server.port, fast=True).start()
        assert not processes_below(home / "two")


def test_two_servers_of_a_kind_run_side_by_side(home: Path) -> None:
    with Postgres(home / "one", fast=True) as one, Postgres(home / "two", fast=True) as two:
        one.create_database("only_here")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(two.dsn("only_here"))


@pytest.fixture(params=SFTP_SERVERS)
def sftp_server(request: pytest.FixtureRequest, home: Path) -> Iterator[SftpServer]:
    """A running server of each make; skipped where it is not installed, but not in CI."""
    with started(request.param(home, {USER: PASSWORD})) as server:
        yield server


@pytest.mark.parametrize("keep", [False, True])
def test_servers_end_with_their_owner_unless_left_running(home: Path, keep: bool) -> None:
    later: list[Server] = [Postgres(home / "postgres"), Sshd(home / "sshd", {}), Asyncssh(home / "asyncssh", {})]
    try:
        owner = start_owner(home, die_with_parent=not keep)
        owner.kill()
        owner.communicate()
        if keep:
            assert all(server.running for server in later)
        else:
            wait_until(lambda: not any(server.running for server in later))
    finally:
        for server in later:
            server.stop()
    wait_until(lambda: not processes_below(home))


def start_owner(home: Path, *, die_with_parent: bool) -> subprocess.Popen[str]:
    program = f"""
        import sys, threading
        from pathlib import Path
        from deploy.local.servers.asyncssh import Asyncssh
        from deploy.local.servers.postgres import Postgres
        from deploy.local.servers.sshd import Sshd
        home = Path({str(home)!r})
        postgres = Postgres(home / "postgres", fast=True, die_with_parent={die_with_parent})
        sshd = Sshd(home / "sshd", {{}}, die_with_parent={die_with_parent})
        asyncssh = Asyncssh(home / "asyncssh", {{}}, die_with_parent={die_with_parent})
        threads = [threading.Thread(target=server.start) for server in (postgres, sshd, asyncssh)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert postgres.running and sshd.running and asyncssh.running
        print("started", flush=True)
        sys.stdin.read()
    """
    owner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "started\n"
    return owner


@pytest.mark.slow
def test_rabbitmq_keeps_a_durable_message_over_a_kill_and_a_restart(home: Path) -> None:
    with Rabbitmq(home) as server:
        assert listening_addresses(home) == {LOOPBACK}
        address = server.create_vhost("jobs")
        with pika.BlockingConnection(pika.URLParameters(address)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.queue_declare("files", durable=True)
            persistent = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)
            channel.basic_publish("", "files", b"leads.csv", persistent)
        # RabbitMQ writes what it knows of queues a moment after it said that they are there.
        server.ctl("eval", "mnesia:sync_log().")
        server.kill()
        assert not processes_below(home)
        server.start()
        assert "jobs" in server.ctl("list_vhosts").split()
        with pika.BlockingConnection(pika.URLParameters(address)) as connection:
            _, _, body = connection.channel().basic_get("files", auto_ack=True)
        assert body == b"leads.csv"
        server.delete_vhost("jobs")
        server.delete_vhost("jobs")
        assert "jobs" not in server.ctl("list_vhosts").split()
    assert not processes_below(home)


def test_rabbitmq_takes_calls_side_by_side(rabbitmq: Rabbitmq) -> None:
    names = [f"beside_{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as callers:
        list(callers.map(rabbitmq.create_vhost, names))
        list(callers.map(rabbitmq.delete_vhost, names))
    assert not [vhost for vhost in rabbitmq.ctl("list_vhosts").split() if vhost in names]


@pytest.mark.slow
def test_seaweedfs_keeps_its_objects_over_a_kill_and_takes_nothing_without_a_key(home: Path) -> None:
    with Seaweedfs(home) as server:
        assert listening_addresses(home) == {LOOPBACK}
        store = s3_store(server)
        obstore.put(store, "leads.csv", b"siren;name\n")
        with pytest.raises(obstore.exceptions.PermissionDeniedError):
            obstore.get(s3_store(server, skip_signature=True), "leads.csv")
        before = server.environment
        server.kill()
        assert not processes_below(home)
        server.start()
        assert server.environment == before
        assert bytes(obstore.get(store, "leads.csv").bytes()) == b"siren;name\n"
        assert server.keys("exports") == ["exports/leads.csv"]
    assert not processes_below(home)


def s3_store(server: Seaweedfs, *, skip_signature: bool = False) -> ObjectStore:
    keys = {name.removeprefix("AWS_").lower(): value for name, value in server.environment.items()}
    keys.pop("allow_http")
    config: Any = {**keys, "skip_signature": skip_signature}
    return from_url(server.url("exports"), config=config, client_options={"allow_http": True})


def test_sshd_takes_a_changed_password_and_a_new_host_key(home: Path) -> None:
    with Sshd(home, {USER: PASSWORD}, key_kinds=("ed25519", "ecdsa")) as server:
        server.set_password(USER, "second password")
        with pytest.raises(paramiko.AuthenticationException), sftp(server, PASSWORD):
            pass
        before, port = server.fingerprints, server.port
        server.rotate_host_key()
        assert server.port == port
        assert not set(before.values()) & set(server.fingerprints.values())
        with sftp(server, "second password") as client:
            transport = client.get_channel().get_transport()  # type: ignore[union-attr]
            assert transport is not None
            assert transport.get_remote_server_key().fingerprint in server.fingerprints.values()


def test_each_sftp_server_serves_the_folder_to_the_right_password_only(sftp_server: SftpServer, home: Path) -> None:
    sftp_server.put("/exports/leads.csv", b"siren;name\n", mtime=1_700_000_000)
    sftp_server.put("/exports/secret.csv", b"").chmod(0o600)
    leads, secret = (str(sftp_server.root / "exports" / name) for name in ("leads.csv", "secret.csv"))
    with sftp(sftp_server, PASSWORD) as client:
        assert client.listdir(str(sftp_server.root)) == ["exports"]
        assert client.open(leads).read() == b"siren;name\n"
        assert client.stat(leads).st_mtime == 1_700_000_000
        with pytest.raises(PermissionError):
            client.open(secret)
    with pytest.raises(paramiko.AuthenticationException), sftp(sftp_server, "wrong"):
        pass
    assert listening_addresses(home) == {LOOPBACK}


def test_each_sftp_server_keeps_its_key_and_port_over_a_restart(sftp_server: SftpServer) -> None:
    before = sftp_server.fingerprint, sftp_server.port
    sftp_server.restart()
    with sftp(sftp_server, PASSWORD) as client:
        transport = client.get_channel().get_transport()  # type: ignore[union-attr]
        assert transport is not None
        assert (transport.get_remote_server_key().fingerprint, sftp_server.port) == before


def test_each_sftp_server_ends_its_sessions_when_it_stops(sftp_server: SftpServer, home: Path) -> None:
    with sftp(sftp_server, PASSWORD) as client:
        sftp_server.stop()
        assert not processes_below(home)
        with pytest.raises((EOFError, OSError, paramiko.SSHException)):
            client.listdir(str(sftp_server.root))
