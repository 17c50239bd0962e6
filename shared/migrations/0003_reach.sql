-- Logins by private key, what a look found out about a server, patience with failures, and room at servers.

alter table connectors
    -- A private key with its passphrase; a connector has this or a password.
    add column sealed_key text,
    add column done_marker text not null default '',
    -- The first of the failures in a row, and when the admin was warned of a pause because of them.
    add column failing_since timestamptz,
    add column warned_at timestamptz,
    -- The looks since the last success that found the file being written.
    add column unsettled integer not null default 0,
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

-- Cancelled runs whose fetchers may still be at the server.
create index runs_left_behind on runs (lease_until) where outcome = 'cancelled';

-- A test that fails at the login or the file has shown the server's key as well as a good one.
drop index connection_tests_host;
create index connection_tests_host on connection_tests (org_id, host, port, answered_at desc) where host_key is not null;

create table host_keys_seen (
    org_id uuid not null,
    host text not null,
    port integer not null,
    host_key text not null,
    first_seen_at timestamptz not null default now(),
    primary key (org_id, host, port, host_key)
);
