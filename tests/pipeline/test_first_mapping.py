"""From a file that nobody has mapped to leads: preview, suggestion, dry run, options and custom fields."""

from tests.pipeline.world import World

HEADER = "Réf. client;Raison sociale;Site web;Ville;Statut;Prénom;Mail;Budget (€);Relance\n"
ROWS = [
    "R1;Crêperie Élan;www.elan.fr;Orléans;Gagné;Zoé;zoe@elan.fr;1 200,50;03/04/2026\n",
    "R2;Garage Bœuf;www.boeuf.fr;Besançon;Perdu;Noël;noel@boeuf.fr;980,00;28/02/2026\n",
    "R3;Sécurité Plus;www.secuplus.fr;Nîmes;Gagné;Hélène;helene@secuplus.fr;;\n",
]
FIELDS = {
    "Réf. client": "CRM_ID",
    "Raison sociale": "LEAD_NAME",
    "Site web": "LEAD_WEBSITE",
    "Ville": "LEAD_LOCATION_CITY",
}


def file(*rows: str, encoding: str = "cp1252") -> bytes:
    """A file as a French spreadsheet writes it."""
    return "".join((HEADER, *rows)).encode(encoding)


def test_the_suggested_mapping_imports_the_stored_file_without_asking_the_server_again(world: World) -> None:
    # Given a file, and an organisation without a mapping
    world.stack.start()
    world.put(file(*ROWS))

    # When the admin tests the connection, the check mark comes first, and then what the file looks like
    seen = world.previewed()
    told = [kind for kind in world.ui.types() if kind.startswith("sftp_connector.")]
    assert told == ["sftp_connector.tested", "sftp_connector.previewed"]
    assert (seen["code"], seen["rows_seen"], seen["whole_file"], seen["mapping_version"]) == (None, 3, True, 0)
    assert (seen["reading"]["encoding"], seen["reading"]["delimiter"]) == ("cp1252", ";")
    targets = {column["name"]: column["target"] for column in seen["columns"]}
    assert targets.items() >= (FIELDS | {"Statut": "LEAD_STATUS", "Mail": "CONTACT_EMAIL"}).items()
    assert seen["columns"][1]["samples"] == ["Crêperie Élan", "Garage Bœuf", "Sécurité Plus"]
    previews = world.stack.blobs / "preview"
    world.until(lambda: not [path for path in previews.rglob("*") if path.is_file()], "a preview that is dropped")

    # When the admin connects, the file is brought, and waits for a mapping
    needed = world.ended(world.create())
    assert (needed["type"], needed["code"]) == ("sftp_connector.mapping_needed", "mapping_needed")
    assert (needed["rows"], needed["columns"]) == (3, seen["columns"])
    assert world.count("leads") == 0

    # When the server forgets the file, and the admin saves what was suggested
    logins = world.logins()
    (world.sshd.files / "exports/leads.csv").unlink()
    world.save_mapping(
        {column["name"]: column["target"] for column in needed["columns"] if column["target"]},
        {status["raw"]: status["status"] for status in needed["statuses"] if status["status"]},
    )

    # Then the file that was brought is imported by itself
    done = world.ui.wait("sftp_connector.sync_succeeded")
    assert (done["rows"]["created"], done["rows"]["rejected"], done["connector_id"]) == (3, 0, needed["connector_id"])
    found = world.rows("select name, city, status from leads order by crm_id")
    assert [tuple(row.values()) for row in found] == [
        ("Crêperie Élan", "Orléans", "WON"),
        ("Garage Bœuf", "Besançon", "LOST"),
        ("Sécurité Plus", "Nîmes", "WON"),
    ]
    assert world.count("contacts where email in ('zoe@elan.fr', 'noel@boeuf.fr', 'helene@secuplus.fr')") == 3
    assert world.count("runs where trigger = 'mapping'") == 1
    world.until_quiet()
    assert world.logins() == logins


def test_a_dry_run_tells_what_the_next_sync_does_and_other_options_read_the_stored_file_again(world: World) -> None:
    # Given a file that was imported
    world.stack.start()
    world.save_mapping(FIELDS)
    world.put(file(*ROWS))
    first = world.ended(world.create())
    assert first["rows"]["created"] == 3

    # When another version is tried, then its counts are told and nothing is written
    world.put(
        file(
            ROWS[0],
            ROWS[1].replace("Besançon", "Épinal"),
            "R4;Café Neuf;www.cafeneuf.fr;Sète;;;;;\n",
            "R5;;;Sète;;;;;\n",
        )
    )
    before = world.rows("select l::text, xmin::text from leads l order by id")
    dry = world.synced(first["connector_id"], dry_run=True)
    assert (dry["type"], dry["dry_run"]) == ("sftp_connector.sync_succeeded", True)
    counts = {"read": 4, "created": 1, "updated": 1, "unchanged": 1, "rejected": 1, "ignored": 0}
    assert dry["rows"] == counts | {"missing": 1}
    assert world.rows("select l::text, xmin::text from leads l order by id") == before

    # and the sync that follows does just that, and keeps the rejected row
    real = world.synced(first["connector_id"])
    assert (real["dry_run"], real["rows"]) == (False, dry["rows"])
    assert world.count("leads") == 4
    assert b"Fill it in" in (world.stack.blobs / real["reject_blob"]).read_bytes()

    # When the admin says that the file is in another encoding, the stored one is read again, without a login
    logins = world.logins()
    asked = world.ui.ask("sftp_connector.update", connector_id=first["connector_id"], csv={"encoding": "cp1251"})
    again = world.ended(asked)
    assert (again["reading"]["encoding"], again["rows"]["updated"]) == ("cp1251", 3)
    assert world.count("leads where name like 'Cr_perie _lan' and name <> 'Crêperie Élan'") == 1

    # and when it is left to be detected again, all is as it was
    asked = world.ui.ask("sftp_connector.update", connector_id=first["connector_id"], csv={})
    assert world.ended(asked)["rows"]["updated"] == 3
    assert world.count("leads where name = 'Crêperie Élan'") == 1
    world.until_quiet()
    assert world.logins() == logins


def test_custom_fields_are_read_as_what_they_are_and_left_alone_when_they_are_gone(world: World) -> None:
    # Given custom fields, and a mapping that names them
    world.stack.start()
    world.save_custom_field("7", "Budget", "PRICE", currency="EUR")
    world.save_custom_field("8", "Next call", "DATE")
    world.save_mapping(FIELDS | {"Budget (€)": "CUSTOM.7", "Relance": "CUSTOM.8"})
    world.put(file(*ROWS))

    # When the file is imported, then numbers and dates are those of a French file
    done = world.ended(world.create())
    assert (done["rows"]["created"], done["warning_count"]) == (3, 0)
    assert [row["custom"] for row in world.rows("select custom from leads order by crm_id")] == [
        {"CUSTOM.7": "1200.5", "CUSTOM.8": "2026-04-03"},
        {"CUSTOM.7": "980", "CUSTOM.8": "2026-02-28"},
        {},
    ]

    # When a field is deleted, the stored file is read again without it, and leads keep what they have
    world.ui.forget()
    asked = world.ui.ask("custom_field.deleted", field_id="8")
    assert world.ui.wait("import_mapping.accepted", in_reply_to=asked)["version"] == 2
    again = world.ui.wait("sftp_connector.sync_succeeded", mapping_version=2)
    assert again["rows"]["unchanged"] == 3
    assert "Relance" in again["unmapped_columns"]
    assert world.count("leads where custom ? 'CUSTOM.8'") == 2
