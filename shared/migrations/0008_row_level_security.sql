-- Every row belongs to an organisation, and a transaction says which one it is about:
--   set_config('sftp_connector.org_id', ..., true)                  that organisation's rows, whoever asks
--   set_config('sftp_connector.every_organisation', 'on', true)     all rows: the scheduler, the operator and the owner alone
-- Whoever says neither sees no row and writes none, the tables' owner included. A later migration that changes rows
-- therefore begins with `set local sftp_connector.every_organisation = 'on'`, and one that makes a table with a column
-- org_id gives it both policies, in these words.

-- Roles belong to the whole server: they may be there, or come at this moment from the migration of another database.
do $$
declare
    name text;
begin
    foreach name in array array['sftp_connector_scheduler', 'sftp_connector_importer', 'sftp_connector_operator'] loop
        if not exists (select from pg_roles where rolname = name) then
            begin
                execute format('create role %I nologin', name);
            exception when duplicate_object or unique_violation then
                null;
            end;
        end if;
    end loop;
end
$$;

-- Each sub-select is evaluated once a statement, not once a row. With the operator = the planner would give the organisation
-- to all columns that are joined to this one, those of staged rows too, expect few rows there, and read a large table for
-- each of them; of a function that says no it believes that most rows stay. So this is no condition for an index: a query
-- names its organisation, too.
do $$
declare
    name text;
    one constant text := $sql$not uuid_ne(org_id, (select nullif(current_setting('sftp_connector.org_id', true), '')::uuid))$sql$;
    every constant text := $sql$(select current_setting('sftp_connector.every_organisation', true) = 'on')$sql$;
begin
    foreach name in array array[
        'connectors', 'runs', 'rejects', 'connection_tests', 'host_keys_seen', 'import_mappings', 'custom_fields',
        'fingerprints', 'leads', 'lead_keys', 'contacts', 'deals'
    ] loop
        execute format('alter table %I enable row level security, force row level security', name);
        execute format('create policy organisation on %I using (%s) with check (%s)', name, one, one);
        execute format('create policy every_organisation on %I to sftp_connector_scheduler, sftp_connector_operator,'
                       ' current_user using (%s) with check (%s)', name, every, every);
    end loop;
    execute format('grant usage on schema %I to sftp_connector_scheduler, sftp_connector_importer,'
                   ' sftp_connector_operator', current_schema());
    -- Batches are staged in temporary tables.
    execute format('grant temporary on database %I to sftp_connector_importer', current_database());
end
$$;

-- Whoever counts connectors needs their organisations as well, and finds them beside the state.
drop index connectors_org;
create index connectors_org on connectors (org_id, state);

-- What each service does, and no more: nobody moves a row to another organisation, and importers read no login.

grant select, insert, delete on inbox, outbox to sftp_connector_scheduler;
grant select, insert on connectors, runs, import_mappings, host_keys_seen to sftp_connector_scheduler;
grant select, insert, delete on connection_tests to sftp_connector_scheduler;
grant select, insert on custom_fields to sftp_connector_scheduler;
grant select (connector_id, org_id), delete on fingerprints to sftp_connector_scheduler;
grant update (
    name, host, port, username, path, done_marker, sealed_password, sealed_key, host_keys, csv_options, interval_seconds,
    state, due_at, failures, unsettled, failing_since, warned_at, last_code, paused_code, last_success_at, server_address,
    file_checksum, file_blob, file_size, file_mtime, file_looked_at, file_compared_at, file_mapping_version, file_code,
    file_remote_size, file_remote_checksum, file_remote_path, updated_at
) on connectors to sftp_connector_scheduler;
grant update (
    stage, sends, lease_until, server, outcome, code, detail, checksum, blob, file_size, file_mtime, looked_at, host_key,
    received_bytes, address, algorithms, remote_size, remote_checksum, remote_path, started_at, finished_at, awaits_turn
) on runs to sftp_connector_scheduler;
grant update (answered_at, ok, host_key) on connection_tests to sftp_connector_scheduler;
grant update (name, kind, currency, format, url_template, saved_at, deleted_at) on custom_fields
    to sftp_connector_scheduler;

grant insert on outbox, rejects to sftp_connector_importer;
grant select on import_mappings, connection_tests to sftp_connector_importer;
grant select on runs to sftp_connector_importer;
grant select (
    id, org_id, name, host, path, csv_options, host_keys, state, due_at, server_address, last_success_at,
    file_checksum, file_blob, file_mapping_version, file_code
) on connectors to sftp_connector_importer;
grant select, insert on fingerprints, leads, contacts, deals to sftp_connector_importer;
grant select, insert, delete on lead_keys to sftp_connector_importer;
grant update (
    stage, attempt, lease_until, claimed_at, awaits_turn, progress_told, server, outcome, code, detail, checksum, blob,
    file_size, file_mtime, looked_at, host_key, address, algorithms, remote_size, remote_checksum, remote_path,
    mapping_version, rows_read, rows_created, rows_updated, rows_unchanged, rows_rejected, rows_ignored, rows_missing,
    warning_count, reading, reject_blob, finished_at
) on runs to sftp_connector_importer;
grant update (
    host_keys, server_address, last_code, last_success_at, failures, unsettled, failing_since, warned_at,
    file_checksum, file_blob, file_size, file_mtime, file_looked_at, file_compared_at, file_mapping_version, file_code,
    file_remote_size, file_remote_checksum, file_remote_path
) on connectors to sftp_connector_importer;
grant update (previewed_at) on connection_tests to sftp_connector_importer;
grant update (blob, checksum, mapping_version, recipe, made_at) on fingerprints to sftp_connector_importer;
grant update (
    name, website, status, status_date, location, street_num, street, postcode, city, sector, size, crm_id, siren, email,
    owner, score, custom, updated_at
) on leads to sftp_connector_importer;
grant update (first_name, last_name, email, phone, phone_key, title, linkedin, updated_at) on contacts
    to sftp_connector_importer;
grant update (lead_id, status, status_date, updated_at) on deals to sftp_connector_importer;

grant select on connectors, runs, rejects, connection_tests, host_keys_seen, import_mappings, custom_fields, fingerprints
    to sftp_connector_operator;
grant update (sealed_password, sealed_key) on connectors to sftp_connector_operator;
