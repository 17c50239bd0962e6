-- The end of an organisation: what is still to be removed, and the memory that nothing of it may come again.

create table removals (
    org_id uuid primary key,
    reply_to text not null,
    asked_at timestamptz not null default now(),
    lease_until timestamptz not null,
    leads bigint not null default 0,
    removed_at timestamptz
);
create index removals_open on removals (lease_until) where removed_at is null;
alter table removals enable row level security, force row level security;
create policy organisation on removals
    using (not uuid_ne(org_id, (select nullif(current_setting('sftp_connector.org_id', true), '')::uuid)))
    with check (not uuid_ne(org_id, (select nullif(current_setting('sftp_connector.org_id', true), '')::uuid)));
create policy every_organisation on removals to sftp_connector_scheduler, sftp_connector_operator, current_user
    using ((select current_setting('sftp_connector.every_organisation', true) = 'on'))
    with check ((select current_setting('sftp_connector.every_organisation', true) = 'on'));

grant select, insert on removals to sftp_connector_scheduler;
grant update (lease_until) on removals to sftp_connector_scheduler;
grant select on removals to sftp_connector_importer, sftp_connector_operator;
grant update (lease_until, leads, removed_at) on removals to sftp_connector_importer;

-- Importers remove what importers wrote, and the rest with it.
grant select, delete on rejects, custom_fields, host_keys_seen to sftp_connector_importer;
grant delete on connectors, runs, fingerprints, connection_tests, import_mappings, leads, contacts, deals
    to sftp_connector_importer;
