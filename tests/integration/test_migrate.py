"""The schema is brought up to date once, whoever does it and however often."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from deploy.local.servers.postgres import Postgres
from deploy.local.stack import ROLES
from shared.database import connect, see_all
from shared.migrate import FOLDER, TABLE, MigrationChanged, migrate
from tests.integration.scheduler.builders import at_once

NAMES = sorted(path.name for path in FOLDER.glob("*.sql"))


@pytest.fixture
def empty_url(postgres: Postgres) -> Iterator[str]:
    """A database without any table."""
    name = f"t_{uuid4().hex[:12]}"
    postgres.create_database(name)
    yield postgres.dsn(name)
    postgres.drop_database(name)


def test_three_migrations_at_once_apply_each_file_once(empty_url: str) -> None:
    # When three services start and migrate together
    applied = at_once(3, lambda _number: migrate(empty_url))
    # Then one of them did it all, and the others found nothing to do
    assert sorted(applied) == [[], [], NAMES]
    with connect(empty_url, name="test") as db:
        rows = db.execute("select name from schema_migrations order by name").fetchall()
        assert [row["name"] for row in rows] == NAMES
        assert db.execute("select count(*) as n from connectors").fetchone() == {"n": 0}


def test_a_second_run_applies_nothing(empty_url: str) -> None:
    # Given a database that is up to date
    assert migrate(empty_url) == NAMES
    # When it is migrated again, then nothing is applied
    assert migrate(empty_url) == []


def test_a_migration_that_was_edited_after_it_was_applied_is_refused_by_name(empty_url: str) -> None:
    # Given a database in which the first migration was applied with another text
    migrate(empty_url)
    with connect(empty_url, name="test") as db:
        db.execute("update schema_migrations set checksum = 'another' where name = %s", [NAMES[0]])
    # When it is migrated, then it is refused with a message that says which file and what to do
    with pytest.raises(MigrationChanged, match=rf"{NAMES[0]}.* write a new file"):
        migrate(empty_url)
    # And the lock is free: the next one fails in the same way instead of waiting
    with pytest.raises(MigrationChanged):
        migrate(empty_url)


def test_what_the_first_migration_held_outlives_the_others(empty_url: str) -> None:
    # Given a database of the first migration, in use
    with connect(empty_url, name="test") as db:
        db.execute(TABLE)
        db.execute((FOLDER / NAMES[0]).read_text())
        db.execute(
            "insert into connectors (id, org_id, host, port, username, path, sealed_password, interval_seconds)"
            " values (gen_random_uuid(), gen_random_uuid(), 'sftp.acme.com', 22, 'crm', '/leads.csv', 'sealed', 900)"
        )
        db.execute(
            "insert into import_mappings (org_id, version, fields, statuses, saved_by)"
            " select org_id, 1, '{}', '{}', org_id from connectors"
        )
        db.execute(
            "insert into runs (id, org_id, connector_id, trigger, stage, lease_until)"
            " select gen_random_uuid(), org_id, id, 'first', 'queued', now() from connectors"
        )
        # When the later ones are applied
        for name in NAMES[1:]:
            db.execute((FOLDER / name).read_text())
        # Then what was there is there, and means what it meant
        found = db.execute(
            "select c.csv_options, r.dry_run, m.custom_fields from connectors c"
            " join runs r on r.connector_id = c.id join import_mappings m on m.org_id = c.org_id"
        )
        assert found.fetchall() == [{"csv_options": {}, "dry_run": False, "custom_fields": {}}]


class TestRoles:
    OWNER = "plain_owner"

    @pytest.fixture
    def owner_url(self, postgres: Postgres) -> Iterator[str]:
        """A database without any table, whose owner is no superuser and may make no role."""
        name = f"t_{uuid4().hex[:12]}"
        postgres.create_database(name)
        with psycopg.connect(postgres.dsn(), autocommit=True) as db:
            db.execute(f"create role {self.OWNER}")
            db.execute(f"alter database {name} owner to {self.OWNER}")
            postgres.let_in(self.OWNER)
            yield postgres.dsn(name, user=self.OWNER)
            postgres.drop_database(name)
            db.execute(f"drop role {self.OWNER}")

    def test_a_plain_owner_migrates_where_the_roles_are(self, owner_url: str) -> None:
        with connect(owner_url, name="test") as db:
            db.execute(
                "do $$ begin execute 'revoke temporary on database ' || current_database() || ' from public'; end $$"
            )
        assert migrate(owner_url) == NAMES
        # And the importer may stage batches, whatever everybody may do
        with connect(owner_url, name="test") as db:
            asked = "select has_database_privilege(%s, current_database(), 'temporary') as staging"
            rows = [db.execute(asked, [ROLES[name]]).fetchone() for name in ("importer", "scheduler")]
            assert rows == [{"staging": True}, {"staging": False}]

    def test_a_migration_by_the_owner_reaches_rows_once_it_says_so(self, owner_url: str) -> None:
        migrate(owner_url)
        insert = "insert into import_mappings (org_id, version, fields, statuses, saved_by)"
        values = " values (gen_random_uuid(), 1, '{}', '{}', gen_random_uuid())"
        with connect(owner_url, name="test") as db:
            with db.transaction():
                see_all(db)
                db.execute(insert + values)
            # Given rows, when the owner changes them without a word, then nothing happens
            assert db.execute("update import_mappings set version = 2").rowcount == 0
            # And when it says that every organisation is meant, as later migrations do, then all of them change
            with db.transaction():
                db.execute("set local sftp_connector.every_organisation = 'on'")
                assert db.execute("update import_mappings set version = 2").rowcount == 1

    def test_two_databases_of_a_new_server_are_migrated_at_once(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o755)
        with Postgres(tmp_path / "postgres", fast=True) as server:
            for name in ("one", "other"):
                server.create_database(name)
            # Given one that is being migrated, by an owner who may make roles
            with psycopg.connect(server.dsn("one")) as one:
                one.execute(f"create role {self.OWNER} createrole")
                one.execute(f"alter database one owner to {self.OWNER}")
                one.commit()
                one.execute(f"set local role {self.OWNER}")
                one.execute(TABLE)
                for name in NAMES:
                    one.execute((FOLDER / name).read_bytes())
                # When the other is, too, then it waits for the roles of the first
                other = threading.Thread(target=migrate, args=[server.dsn("other")])
                other.start()
                self.wait_for_a_waiter(server)
            other.join(10)
            # And goes on with them
            with psycopg.connect(server.dsn("other")) as db:
                assert db.execute("select count(*) from schema_migrations").fetchone() == (len(NAMES),)

    def wait_for_a_waiter(self, server: Postgres) -> None:
        with psycopg.connect(server.dsn(), autocommit=True) as db:
            deadline = time.monotonic() + 10
            while not db.execute("select 1 from pg_locks where not granted").fetchone():
                assert time.monotonic() < deadline, "nobody waits"
                time.sleep(0.01)
