-- What an import leaves for the next one: which records the file had, and which of them it has no more.

create table fingerprints (
    connector_id uuid primary key references connectors (id),
    org_id uuid not null,
    -- Where they are kept in the blob store, and the SHA-256 of those bytes.
    blob text not null,
    checksum text not null,
    mapping_version integer not null,
    -- How the file was read. Read in another way, the same line may be another record.
    recipe text not null,
    made_at timestamptz not null default now()
);

alter table runs
    -- Records of the version before that have no successor in this one: their leads stay.
    add column rows_missing bigint not null default 0,
    -- An importer took up its message while another import of the organisation was under way, and left it. Whoever
    -- ends that import sends it again.
    add column awaits_turn boolean not null default false,
    -- The notification bell was told that the import is under way, and so has to be told of its end, whatever that is.
    add column progress_told boolean not null default false;
create index runs_importing on runs (org_id) where stage = 'importing';
create index runs_awaiting_turn on runs (org_id, queued_at) where stage = 'stored' and awaits_turn;
