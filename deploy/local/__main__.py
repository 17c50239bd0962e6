"""`python -m deploy.local demo|up|down|ask`: the whole system on this machine."""

import argparse
import json
import shlex
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from deploy.command.faults import of_database
from deploy.local import demo
from deploy.local.servers.ports import LOOPBACK
from deploy.local.servers.process import ServerFailed
from deploy.local.servers.prometheus import Prometheus
from deploy.local.service import Service
from deploy.local.stack import SERVICES, Servers, Stack
from deploy.local.ui import UI, NoEvent

_HOME = Path(__file__).parents[2] / ".local" / "up"
_ORGANISATION = UUID("00000000-0000-7000-8000-000000000001")
_ACCOUNT = {"crm": "crm"}


def _servers() -> Servers:
    return Servers(_HOME, _ACCOUNT, die_with_parent=False)


def _stack() -> Stack:
    return Stack(_servers(), _HOME / "stack", "leadbay", die_with_parent=False)


def _prometheus(addresses: Mapping[str, str]) -> Prometheus:
    jobs = {name: [address] for name, address in addresses.items()}
    return Prometheus(_HOME / "prometheus", jobs, interval="5s", die_with_parent=False)


def _operator_settings(stack: Stack) -> Path:
    """A file that a shell reads, with what the operator's command needs."""
    path = stack.home / "operator.env"
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in stack.environment("operator").items()))
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def up() -> int:
    """Start the stack, or what is missing of it, and say where everything is."""
    stack = _stack()
    _servers().start()
    if stack.servers.postgres.has_database(stack.name):
        stack.upgrade()
        stack.servers.rabbitmq.create_vhost(stack.name)
    else:
        stack.prepare()
        stack.servers.sshd.put("/exports/leads.csv", b"Company,Website\nAcme,acme.example\n")
    services = stack.start()
    prometheus = _prometheus({name: service.url.removeprefix("http://") for name, service in services.items()})
    prometheus.start()
    sshd = stack.servers.sshd
    sys.stdout.write(
        f"SFTP        {sshd.host}:{sshd.port}, user crm, password crm, files in {sshd.files}\n"
        f"PostgreSQL  {stack.database_url}\n"
        f"RabbitMQ    {stack.amqp_url}\n"
        + "".join(_line(name, service) for name, service in services.items())
        + f"Prometheus  http://{LOOPBACK}:{prometheus.port}/alerts\n"
        "Play the admin, for example:\n"
        "  .venv/bin/python -m deploy.local ask sftp_connector.test "
        f"host={sshd.host} port={sshd.port} username=crm password=crm path=/exports/leads.csv\n"
        "Be the operator, for example:\n"
        f"  set -a; . {_operator_settings(stack)}; set +a\n"
        "  .venv/bin/python -m deploy.command doctor\n"
        "Stop it with: make down\n"
    )
    return 0


def _line(name: str, service: Service) -> str:
    """Where a service is; one that ran before may be unwell."""
    unwell = "" if service.ready else f"{'':11} NOT READY: {service.url}/readyz and the operator's doctor say why\n"
    return f"{name:11} {service.url}/metrics, log {service.log_path}\n{unwell}"


def down() -> int:
    """Stop what `up` started; the data stays."""
    stack = _stack()
    for name in SERVICES:
        stack.service(name) if (stack.home / "seal.key").exists() else None
    stack.stop()
    _prometheus({}).stop()
    _servers().stop()
    return 0


def ask(event_type: str, pairs: list[str], seconds: float) -> int:
    """Publish a UI event and print what comes back; 1 when nothing does."""
    data: dict[str, Any] = {name: _value(text) for name, _, text in (pair.partition("=") for pair in pairs)}
    with UI(_stack().amqp_url, _ORGANISATION) as ui:
        asked = ui.ask(event_type, **data)
        with suppress(NoEvent):
            ui.wait("no such event", seconds=seconds)
        heard = [event for event in ui.heard if event["data"].get("in_reply_to") in {asked, None}]
    for event in heard:
        sys.stdout.write(f"{event['type']} {json.dumps(event['data'], indent=2, ensure_ascii=False)}\n")
    if not heard:
        sys.stderr.write(
            f"No answer within {seconds:g} s: is {event_type} an event of the UI, and does a scheduler run?\n"
        )
        return 1
    return 0


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def main() -> int:
    """Run the command named."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("demo", help="play the main job once and check it")
    commands.add_parser("up", help="start the stack and leave it running")
    commands.add_parser("down", help="stop it")
    asking = commands.add_parser("ask", help="publish a UI event and print the answers")
    asking.add_argument("type", help="for example sftp_connector.test")
    asking.add_argument("fields", nargs="*", help="name=value; the value is JSON or plain text")
    asking.add_argument("--seconds", type=float, default=3.0, help="how long to listen")
    arguments = parser.parse_args()
    try:
        match arguments.command:
            case "demo":
                return demo.run()
            case "up":
                return up()
            case "down":
                return down()
            case _:
                return ask(arguments.type, arguments.fields, arguments.seconds)
    except ServerFailed as error:
        sys.stderr.write(f"{error}\n")
    except psycopg.Error as error:
        sys.stderr.write(f"{of_database(error)}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
