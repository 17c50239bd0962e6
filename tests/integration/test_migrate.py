"""The schema is brought up to date once, whoever does it and however often."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from deploy.local.servers.postgres import Postgres
from shared.database import connect
from shared.migrate import FOLDER, MigrationChanged, migrate
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
