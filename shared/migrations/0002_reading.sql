-- How a file is read, what its rows were like, and the organisation's custom fields.

alter table connectors
    -- What the admin overrules of what is detected: encoding, delimiter, quote.
    add column csv_options jsonb not null default '{}';

alter table runs
    -- A dry run reads and counts, but writes no lead and changes no connector.
    add column dry_run boolean not null default false,
    add column reading jsonb,
    add column reject_blob text,
    add column warning_count bigint not null default 0;

alter table rejects
    -- A record may span lines, so its number is not told by its line.
    add column record bigint,
    -- The shape of the cell, never its content: letters are x, digits are 9.
    add column value text not null default '';

alter table import_mappings
    -- The custom fields that the targets mean, by id, as they were when this version was saved: a version says all
    -- there is to know, and a file is read in the same way however the fields change meanwhile.
    add column custom_fields jsonb not null default '{}';

alter table contacts
    -- The digits to compare by, beside the number as it was given.
    add column phone_key text;

alter table connection_tests
    add column previewed_at timestamptz;

create table custom_fields (
    org_id uuid not null,
    -- A 64-bit number of the platform, as text like in every event.
    id text not null,
    name text not null,
    kind text not null check (kind in ('TEXT', 'NUMBER', 'PRICE', 'DATE', 'DATETIME', 'EXTERNAL_ID')),
    currency text,
    format text,
    url_template text,
    saved_at timestamptz not null default now(),
    -- A deleted field stays, because leads still hold values of it.
    deleted_at timestamptz,
    primary key (org_id, id)
);
