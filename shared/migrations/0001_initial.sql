-- The connectors, their runs, and what an import writes. The first column of every key is the organisation where
-- rows of several organisations stand side by side, so that no key tells one of another.

create table connectors (
    id uuid primary key,
    org_id uuid not null,
    name text not null default '',
    host text not null,
    port integer not null check (port between 1 and 65535),
    username text not null,
    path text not null,
    sealed_password text,
    host_keys text[] not null default '{}',
    state text not null default 'active' check (state in ('active', 'paused', 'deleted')),
    interval_seconds integer not null check (interval_seconds > 0),
    due_at timestamptz not null default now(),
    failures integer not null default 0,
    last_code text,
    paused_code text,
    last_success_at timestamptz,
    -- The file version that was last imported, or refused with file_code, and how it looked.
    file_checksum text,
    file_blob text,
    file_size bigint,
    file_mtime bigint,
    file_looked_at timestamptz,
    file_compared_at timestamptz,
    file_mapping_version integer,
    file_code text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    check (state = 'deleted' or sealed_password is not null)
);
create index connectors_org on connectors (org_id);
create index connectors_due on connectors (due_at) where state = 'active';

create table runs (
    id uuid primary key,
    org_id uuid not null,
    connector_id uuid not null references connectors (id),
    trigger text not null check (trigger in ('first', 'schedule', 'manual', 'mapping')),
    reply_to text,
    stage text not null check (stage in ('queued', 'fetching', 'stored', 'importing', 'done')),
    -- How often it was handed to a fetcher, and how often an importer claimed it. The latter is the fence.
    sends integer not null default 1,
    attempt integer not null default 0,
    lease_until timestamptz not null,
    outcome text check (outcome in ('succeeded', 'unchanged', 'held', 'failed', 'cancelled')),
    code text,
    detail text not null default '',
    checksum text,
    blob text,
    file_size bigint,
    file_mtime bigint,
    looked_at timestamptz,
    host_key text,
    received_bytes bigint not null default 0,
    mapping_version integer,
    rows_read bigint not null default 0,
    rows_created bigint not null default 0,
    rows_updated bigint not null default 0,
    rows_unchanged bigint not null default 0,
    rows_rejected bigint not null default 0,
    rows_ignored bigint not null default 0,
    queued_at timestamptz not null default now(),
    started_at timestamptz,
    claimed_at timestamptz,
    finished_at timestamptz,
    check ((stage = 'done') = (outcome is not null)),
    check (rows_read = rows_created + rows_updated + rows_unchanged + rows_rejected + rows_ignored)
);
create unique index runs_one_open on runs (connector_id) where stage <> 'done';
create index runs_lease on runs (lease_until) where stage <> 'done';
create index runs_of_connector on runs (connector_id, queued_at desc);

create table rejects (
    run_id uuid not null references runs (id),
    org_id uuid not null,
    line bigint not null,
    column_name text,
    code text not null,
    reason text not null
);
create index rejects_of_run on rejects (run_id, line);

create table connection_tests (
    id uuid primary key,
    org_id uuid not null,
    connector_id uuid references connectors (id),
    reply_to text not null,
    host text not null,
    port integer not null,
    host_key text,
    asked_at timestamptz not null default now(),
    answered_at timestamptz,
    ok boolean
);
create index connection_tests_open on connection_tests (asked_at) where answered_at is null;
create index connection_tests_host on connection_tests (org_id, host, port, answered_at desc) where ok;

create table import_mappings (
    org_id uuid not null,
    version integer not null,
    fields jsonb not null,
    statuses jsonb not null,
    default_status text,
    saved_by uuid not null,
    saved_at timestamptz not null default now(),
    primary key (org_id, version)
);

create table leads (
    id uuid primary key,
    org_id uuid not null,
    name text not null,
    website text,
    status text not null default 'DEFAULT'
        check (status in ('DEFAULT', 'INBOUND', 'UNWANTED', 'WANTED', 'LOST', 'WON')),
    status_date date,
    location text,
    street_num text,
    street text,
    postcode text,
    city text,
    sector text,
    size text,
    crm_id text,
    siren text,
    email text,
    owner text,
    score text,
    custom jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (org_id, id)
);

-- Every key by which a file may name a lead ("crm:...", "siren:...", "web:...", "name:...|...").
create table lead_keys (
    org_id uuid not null,
    key text not null,
    lead_id uuid not null,
    primary key (org_id, key),
    foreign key (org_id, lead_id) references leads (org_id, id) on delete cascade
);
create index lead_keys_of_lead on lead_keys (org_id, lead_id);

create table contacts (
    org_id uuid not null,
    lead_id uuid not null,
    key text not null,
    first_name text,
    last_name text,
    email text,
    phone text,
    title text,
    linkedin text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (org_id, lead_id, key),
    foreign key (org_id, lead_id) references leads (org_id, id) on delete cascade
);

create table deals (
    org_id uuid not null,
    crm_id text not null,
    lead_id uuid not null,
    status text check (status in ('DEFAULT', 'INBOUND', 'UNWANTED', 'WANTED', 'LOST', 'WON')),
    status_date date,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (org_id, crm_id),
    foreign key (org_id, lead_id) references leads (org_id, id) on delete cascade
);
create index deals_of_lead on deals (org_id, lead_id);

-- Events already handled: a repeated one changes nothing. CloudEvents: source and id together are unique.
create table inbox (
    source text not null,
    event_id text not null,
    received_at timestamptz not null default now(),
    primary key (source, event_id)
);
create index inbox_age on inbox (received_at);

-- Messages that a committed transaction owes to RabbitMQ; the relay publishes them in order and removes them.
create table outbox (
    id bigint generated always as identity primary key,
    kind text not null check (kind in ('job', 'event')),
    name text not null,
    run_id uuid,
    body jsonb not null,
    created_at timestamptz not null default now()
);
create index outbox_of_run on outbox (run_id) where run_id is not null;

create function outbox_notify() returns trigger language plpgsql as $$
begin
    perform pg_notify('outbox', '');
    return null;
end
$$;
create trigger outbox_notify after insert on outbox for each statement execute function outbox_notify();
