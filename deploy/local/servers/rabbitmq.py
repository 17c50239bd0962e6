"""A private RabbitMQ broker."""

import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import uuid
from pathlib import Path

import pika
from pika.exceptions import AMQPError

from deploy.local.servers.ports import LOOPBACK, ServerPort
from deploy.local.servers.process import ServerFailed, ended_with_owner
from deploy.local.servers.server import Server

_CALL_SECONDS = 30.0
_SCRIPTS = ("bin", "lib/rabbitmq_server-*/sbin")
_VHOST_NAME = re.compile(r"[A-Za-z0-9_-]+")

# A consumer may hold a message for as long as the slowest file takes, hence the long timeout.
_CONFIGURATION = """\
listeners.tcp.1 = {host}:{port}
consumer_timeout = 21600000
disk_free_limit.absolute = 50MB
"""


class Rabbitmq(Server):
    """A RabbitMQ broker of our own, without plugins, with its data below ``home``.

    It listens on the loopback interface only and takes the user ``guest`` (password ``guest``).
    Persistent messages in durable queues survive ``kill()``. With ``die_with_parent`` it stops when
    the interpreter that started it ends.
    """

    _ready_seconds = 120.0

    def __init__(self, home: Path, *, port: int | None = None, die_with_parent: bool = True) -> None:
        home = home.absolute()
        self._node = f"sftp-{hashlib.sha256(str(home).encode()).hexdigest()[:12]}@localhost"
        super().__init__("rabbitmq", home, port=port, mark=self._node)
        # The node answers management calls on a port of its own, so it needs no epmd: that daemon
        # would be shared by every Erlang program of the machine and would outlive the broker.
        self._node_port = ServerPort(home / "node-port")
        self._die_with_parent = die_with_parent

    @property
    def url(self) -> str:
        """The amqp:// address of the default virtual host."""
        return self.vhost_url("/")

    def vhost_url(self, vhost: str) -> str:
        """Return the amqp:// address of a virtual host."""
        return f"amqp://guest:guest@{LOOPBACK}:{self.port}/{vhost.replace('/', '%2F')}"

    def create_vhost(self, name: str) -> str:
        """Create a virtual host (letters, digits, - and _) if missing and return its address."""
        vhost, every = _binary(name), '<<".*">>'
        permissions = f'<<"guest">>, {vhost}, {every}, {every}, {every}, <<"local">>'
        self._call(
            f'ok = rabbit_vhost:add({vhost}, <<"local">>), '
            f"ok = rabbit_auth_backend_internal:set_permissions({permissions})"
        )
        return self.vhost_url(name)

    def delete_vhost(self, name: str) -> None:
        """Delete a virtual host, if it exists, with all its queues, closing its connections."""
        vhost = _binary(name)
        self._call(
            f"case rabbit_vhost:exists({vhost}) of "
            f'true -> ok = rabbit_vhost:delete({vhost}, <<"local">>); false -> ok end'
        )

    def ctl(self, *arguments: str) -> str:
        """Run rabbitmqctl against this broker and return what it prints; takes about a second."""
        return self._run([str(_script("rabbitmqctl")), "-q", "-n", self._node, *arguments], "")

    def _call(self, expression: str) -> None:
        """Evaluate an Erlang expression in the broker: milliseconds, where rabbitmqctl takes a second."""
        # The broker refuses a caller whose node name another one has at the time.
        name = f"call-{uuid.uuid4().hex}"
        address = f"{LOOPBACK}:{self._node_port.number}"
        answer = self._run(["erl_call", "-h", name, "-address", address, "-e"], f"{expression}.\n")
        if not answer.startswith("{ok,"):
            raise ServerFailed(f"rabbitmq refused a call: {answer}")

    def _run(self, command: list[str], text: str) -> str:
        done = subprocess.run(
            command,
            input=text,
            text=True,
            capture_output=True,
            env=self._environment(),
            check=False,
            timeout=_CALL_SECONDS,
        )
        if done.returncode != 0:
            raise ServerFailed(f"{Path(command[0]).name} failed: {done.stderr or done.stdout}")
        return done.stdout

    def _launch(self) -> None:
        self._node_port.settle()
        (self.home / "rabbitmq.conf").write_text(_CONFIGURATION.format(host=LOOPBACK, port=self.port))
        (self.home / "enabled_plugins").write_text("[].\n")
        command = [str(_script("rabbitmq-server")), "-noinput"]
        if self._die_with_parent:
            command = ended_with_owner(command, signal.SIGTERM)
        self._process.start(command, env=self._environment())

    def _answers(self) -> bool:
        try:
            # The client logs every refused connection as an error, so a plain one goes first.
            socket.create_connection((LOOPBACK, self.port), timeout=5).close()
            pika.BlockingConnection(pika.URLParameters(self.url)).close()
        except (OSError, AMQPError):
            return False
        return True

    def _environment(self) -> dict[str, str]:
        node = f"-start_epmd false -erl_epmd_port {self._node_port.number}"
        address = ",".join(LOOPBACK.split("."))
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RABBITMQ_")}
        return inherited | {
            "HOME": str(self.home),
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_CONF_ENV_FILE": str(self.home / "none"),
            "RABBITMQ_CONFIG_FILE": str(self.home / "rabbitmq.conf"),
            "RABBITMQ_CTL_ERL_ARGS": f"{node} -dist_listen false",
            "RABBITMQ_DIST_PORT": str(self._node_port.number),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.home / "enabled_plugins"),
            "RABBITMQ_LOG_BASE": str(self.home),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_MNESIA_BASE": str(self.home / "data"),
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                f"-sname {self._node} {node} -kernel inet_dist_use_interface {{{address}}}"
            ),
        }


def _script(name: str) -> Path:
    """Return one of the broker's own scripts, not the system's wrapper that changes the user."""
    for folder in _SCRIPTS:
        for script in sorted(Path("/usr/lib/rabbitmq").glob(f"{folder}/{name}"), reverse=True):
            return script
    on_path = shutil.which(name)
    if on_path is None:
        raise ServerFailed("RabbitMQ is not installed: run `make setup`.")
    return Path(on_path)


def _binary(vhost: str) -> str:
    if not _VHOST_NAME.fullmatch(vhost):
        raise ValueError(f"not a virtual host name: {vhost!r}")
    return f'<<"{vhost}">>'
