-- Logins by private key, what a look found out about a server, patience with failures, and room at servers.

alter table connectors
    -- A private key with its passphrase; a connector has this or a password.
    add column sealed_key text,
    add column done_marker text not null default '',
    -- The first of the failures in a row, and when the admin was warned of a pause because of them.
    add column failing_since timestamptz,
    add column warned_at timestamptz,
    -- The address that was last connected to: what counts as one server.
    add column server_address text,
    -- The file as the server has it, where that differs: packed, or one of many that the path may mean.
    add column file_remote_size bigint,
    add column file_remote_checksum text,
    add column file_remote_path text,
    drop constraint connectors_check,
    add constraint connectors_login
        check (state = 'deleted' or sealed_password is not null or sealed_key is not null);
create index connectors_recovered on connectors (id) where state = 'paused' and paused_code is not null and failures = 0;

alter table runs
    -- The server that it needs room at; null: the stored file will do.
    add column server text,
    add column address text,
    add column algorithms text not null default '',
    add column remote_size bigint,
    add column remote_checksum text,
    add column remote_path text,
    -- Waiting: an admin asked for it, and there was no room yet.
    drop constraint runs_stage_check,
    add constraint runs_stage_check check (stage in ('waiting', 'queued', 'fetching', 'stored', 'importing', 'done'));

create table host_keys_seen (
    org_id uuid not null,
    host text not null,
    port integer not null,
    host_key text not null,
    first_seen_at timestamptz not null default now(),
    primary key (org_id, host, port, host_key)
);
