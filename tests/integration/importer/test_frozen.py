"""An importer that stands still with locks in hand holds up nobody but itself."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from deploy.local.servers.postgres import Postgres
from deploy.local.stack import ROLES
from services.importer.handler import Handler
from services.importer.lead_store import LeadStore
from services.importer.lease import Leases
from services.importer.store import Claim, Store
from shared.database import Db, organisation, pool
from shared.errors import Fenced
from shared.metrics import Metrics
from tests.integration.importer.builders import LEASE_SECONDS, Imports, csv_of


@pytest.fixture
def importers(imports: Imports, postgres: Postgres) -> Iterator[ConnectionPool[Db]]:
    """Connections of importers that logged in as such: none may end a session of somebody else."""
    postgres.let_in(ROLES["importer"])
    url = postgres.dsn(imports.value("select current_database()"), user=ROLES["importer"])
    with pool(url, name="importer", size=8) as connections:
        yield connections


def claimed(imports: Imports, importers: ConnectionPool[Db]) -> Claim:
    """A run in an importer's hands."""
    request = imports.request(csv_of([{"Company": "Acme"}]))
    with organisation(importers, imports.org_id) as db:
        claim = Store(db).claim(request, LEASE_SECONDS)
    assert claim is not None
    return claim


def hold_leads(db: Db, imports: Imports) -> None:
    with closing(LeadStore(db, imports.org_id)) as leads:
        leads.begin_merge()


def ended_by(claim: Claim, importers: ConnectionPool[Db]) -> int:
    with importers.connection() as db:
        return Store(db).end_fenced(claim)


def test_an_import_does_not_wait_for_one_that_stands_still_in_the_midst_of_a_copy(
    imports: Imports, importers: ConnectionPool[Db], metrics: Metrics
) -> None:
    handler = Handler(imports.settings, importers, imports.blobs, Leases(importers, LEASE_SECONDS), metrics)
    request = imports.request(csv_of([{"Company": "Acme"}]))
    with importers.connection() as frozen:
        # Given somebody who has the organisation's leads, and of whom PostgreSQL waits for the rest of a COPY
        hold_leads(frozen, imports)
        with (
            frozen.cursor() as cursor,
            pytest.raises(psycopg.errors.AdminShutdown),
            cursor.copy("copy staged_keys from stdin"),
        ):
            handler.on_import(request)

    assert imports.run(request.run_id)["outcome"] == "succeeded"


def test_one_that_lost_its_run_ends_nobody(imports: Imports, importers: ConnectionPool[Db]) -> None:
    claim = claimed(imports, importers)
    with importers.connection() as holder:
        hold_leads(holder, imports)
        # When the run is another attempt's, or the lease has ended
        imports.all("update runs set attempt = attempt + 1")
        assert ended_by(claim, importers) == 0
        imports.all("update runs set attempt = attempt - 1, lease_until = now()")
        assert ended_by(claim, importers) == 0
        # Then the holder lives, and it is ended by whoever has the run
        assert holder.execute("select").rowcount == 1
        imports.all("update runs set lease_until = now() + interval '1 minute'")
        assert ended_by(claim, importers) == 1
        with pytest.raises(psycopg.errors.AdminShutdown):
            holder.execute("select")


def test_nobody_of_another_role_or_organisation_is_ended(imports: Imports, importers: ConnectionPool[Db]) -> None:
    claim = claimed(imports, importers)
    elsewhere = Imports(imports.connections, imports.folder)
    with imports.connections.connection() as owner, importers.connection() as other:
        hold_leads(owner, imports)
        hold_leads(other, elsewhere)

        assert ended_by(claim, importers) == 0


def test_whose_session_was_ended_and_run_lost_is_fenced(imports: Imports, importers: ConnectionPool[Db]) -> None:
    leases = Leases(importers, LEASE_SECONDS)
    claim = claimed(imports, importers)
    with pytest.raises(psycopg.errors.AdminShutdown), leases.held(claim):
        raise psycopg.errors.AdminShutdown
    imports.all("update runs set attempt = 2, stage = 'importing'")

    with pytest.raises(Fenced, match="session ended"), leases.held(claim):
        raise psycopg.errors.AdminShutdown

    with pytest.raises(Fenced, match="lease"):
        leases.check(claim)
