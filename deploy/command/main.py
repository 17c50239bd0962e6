"""`sftp-connector`: what an operator sees and does."""

import typer

from deploy.command import config, connectors, dead_letters, requests, reseal, runs
from deploy.command.doctor import doctor
from deploy.command.faults import Group
from deploy.command.output import Json, dump, say
from shared.migrate import migrate
from shared.settings import DatabaseSettings, load

app = typer.Typer(
    name="sftp-connector",
    cls=Group,
    no_args_is_help=True,
    add_completion=False,
    # They would print local variables, and with them secrets.
    pretty_exceptions_enable=False,
    help="Sees, explains and mends what the SFTP connector does. It reads SFTP_CONNECTOR_... as the services do.",
)


@app.command("migrate")
def migrate_schema(as_json: Json = False) -> None:
    """Bring the database's schema up to date, as its owner."""
    applied = migrate(load(DatabaseSettings).database_url.get_secret_value())
    if as_json:
        dump({"applied": applied})
    else:
        for line in [f"applied {name}" for name in applied] or ["nothing to apply"]:
            say(line)


app.command("connectors")(connectors.list_connectors)
app.command()(connectors.show)
app.command("runs")(runs.list_runs)
app.command()(runs.explain)
app.command()(runs.rejects)
app.command()(requests.sync)
app.command()(requests.pause)
app.command()(requests.resume)
app.command("test")(requests.try_connection)
app.command()(requests.replay)
app.add_typer(dead_letters.app, name="dead-letters")
app.command("reseal")(reseal.command)
app.add_typer(config.app, name="config")
app.command()(doctor)
