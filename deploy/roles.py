"""Lets the services log in to the database: `python -m deploy.roles`, after the schema was migrated.

It reads the database's URL, of whoever owns the roles, and their passwords from the environment, and may be run again
at any time, to change a password too. A password leaves this process as its hash alone.
"""

import os
import sys

from psycopg import sql

from shared.database import Db, connect
from shared.settings import DatabaseSettings, load

PASSWORDS = {
    "sftp_connector_scheduler": "SCHEDULER_PASSWORD",
    "sftp_connector_importer": "IMPORTER_PASSWORD",
    "sftp_connector_operator": "OPERATOR_PASSWORD",
}


def let_in(db: Db, role: str, password: str) -> None:
    """Let a role that exists log in with this password and no other."""
    secret = db.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    db.execute(sql.SQL("alter role {} login password {}").format(sql.Identifier(role), sql.Literal(secret)))


def main() -> None:
    """Let all roles in; end with 2 and a line for each password that is missing, and with nothing changed."""
    url = load(DatabaseSettings).database_url.get_secret_value()
    missing = [variable for variable in PASSWORDS.values() if not os.environ.get(variable)]
    if missing:
        sys.stderr.write("".join(f"{variable}: missing\n" for variable in missing))
        raise SystemExit(2)
    with connect(url, name="roles") as db:
        for role, variable in PASSWORDS.items():
            let_in(db, role, os.environ[variable])
            sys.stdout.write(f"let in {role}\n")


if __name__ == "__main__":
    main()
