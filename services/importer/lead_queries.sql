-- Statements on leads, contacts, deals and keys: what one batch of rows merges.

-- name: lock_organisation
-- Imports of one organisation merge one after the other: no deadlock, no lead made twice. This wait may be long.
select pg_advisory_xact_lock(hashtextextended('leads ' || %(org_id)s::text, 0))

-- name: plan_for_batches
-- Each statement of a batch joins few rows to large tables, by their primary keys. Statistics, which are old while a
-- table grows fast, would at times have it read a whole table for each batch. For the same reason the organisation
-- comes from the staged rows: of a constant the planner believes, without statistics, that it has few rows.
set local enable_hashjoin = off;
set local enable_mergejoin = off;
set local max_parallel_workers_per_gather = 0;
set local jit = off;
set local work_mem = '64MB'

-- name: wait_long
set local lock_timeout = 0

-- name: wait_short
set local lock_timeout = '60s'

-- name: staging
create temp table if not exists staged_leads (
    org_id uuid, id uuid not null, name text, website text, location text, street_num text, street text, postcode text,
    city text, sector text, size text, crm_id text, siren text, email text, owner text, score text, status text,
    status_date date, custom jsonb not null
) on commit delete rows;
create temp table if not exists staged_contacts (
    org_id uuid, lead_id uuid not null, key text collate "C" not null, first_name text, last_name text, email text,
    phone text, phone_key text, title text, linkedin text
) on commit delete rows;
create temp table if not exists staged_deals (
    org_id uuid, crm_id text collate "C" not null, lead_id uuid not null, status text, status_date date
) on commit delete rows;
create temp table if not exists staged_keys (
    org_id uuid, lead_id uuid not null, key text collate "C" not null
) on commit delete rows;
create temp table if not exists sought (
    org_id uuid, place integer not null, lead_id uuid, key text collate "C" not null
) on commit delete rows

-- name: stay_awake
-- PostgreSQL ends a transaction that is idle for long: one statement a batch, even where nothing is merged.
select 1 as awake

-- name: clear_staging
truncate staged_leads, staged_contacts, staged_deals, staged_keys

-- name: clear_sought
truncate sought

-- name: any_key
select true as found from lead_keys where org_id = %(org_id)s limit 1

-- name: known_keys
-- One row for each lead, with the places of the keys that it owns. No lead: it was deleted, and its keys were not.
select k.lead_id::text as lead_id, array_to_string(k.places, ' ') as places, l.crm_id, l.siren, l.id is not null as lives
from (
    select k.org_id, k.lead_id, array_agg(s.place) as places
    from sought s join lead_keys k on k.org_id = s.org_id and k.key = s.key
    group by k.org_id, k.lead_id
) k left join leads l on l.org_id = k.org_id and l.id = k.lead_id

-- name: forget_keys
delete from lead_keys k where k.org_id = %(org_id)s and k.key = any(%(keys)s)
  and not exists (select from leads l where l.org_id = k.org_id and l.id = k.lead_id)

-- name: known_ids
select id as lead_id, crm_id, siren from leads where org_id = %(org_id)s and id = any(%(ids)s)

-- name: strangers
-- Those whom the database does not know by the very same key; in most files these are few.
select s.place from sought s
where not exists (select from contacts c where c.org_id = s.org_id and c.lead_id = s.lead_id and c.key = s.key)

-- name: known_people
-- Those at the batch's leads who have something in common with somebody in the batch.
select lead_id, key, email, linkedin, first_name, last_name from contacts
where org_id = %(org_id)s and lead_id = any(%(lead_ids)s)
  and (key = any(%(keys)s) or lower(email) = any(%(emails)s) or lower(linkedin) = any(%(linkedins)s)
       or lower(concat_ws(' ', first_name, last_name)) = any(%(names)s))
order by lead_id, key

-- name: deal_owners
select crm_id, lead_id from deals where org_id = %(org_id)s and crm_id = any(%(deal_ids)s)

-- name: update_leads
-- An empty cell never erases; a lead that would stay as it is is not written. What somebody changes meanwhile is waited for,
-- and kept where the file says nothing.
update leads l
set name = coalesce(s.name, l.name), website = coalesce(s.website, l.website), status = coalesce(s.status, l.status),
    status_date = case when s.status <> l.status then s.status_date else coalesce(s.status_date, l.status_date) end,
    location = coalesce(s.location, l.location), street_num = coalesce(s.street_num, l.street_num),
    street = coalesce(s.street, l.street), postcode = coalesce(s.postcode, l.postcode),
    city = coalesce(s.city, l.city), sector = coalesce(s.sector, l.sector), size = coalesce(s.size, l.size),
    crm_id = coalesce(s.crm_id, l.crm_id), siren = coalesce(s.siren, l.siren), email = coalesce(s.email, l.email),
    owner = coalesce(s.owner, l.owner), score = coalesce(s.score, l.score), custom = l.custom || s.custom,
    updated_at = now()
from staged_leads s
where l.org_id = s.org_id and l.id = s.id
  and (coalesce(s.name, l.name), coalesce(s.website, l.website), coalesce(s.status, l.status),
       case when s.status <> l.status then s.status_date else coalesce(s.status_date, l.status_date) end,
       coalesce(s.location, l.location), coalesce(s.street_num, l.street_num), coalesce(s.street, l.street),
       coalesce(s.postcode, l.postcode), coalesce(s.city, l.city), coalesce(s.sector, l.sector),
       coalesce(s.size, l.size), coalesce(s.crm_id, l.crm_id), coalesce(s.siren, l.siren), coalesce(s.email, l.email),
       coalesce(s.owner, l.owner), coalesce(s.score, l.score), l.custom || s.custom)
   is distinct from
      (l.name, l.website, l.status, l.status_date, l.location, l.street_num, l.street, l.postcode, l.city, l.sector,
       l.size, l.crm_id, l.siren, l.email, l.owner, l.score, l.custom)
returning l.id as lead_id

-- name: upsert_contacts
-- Only what changes is written, and only at leads that still are: no foreign key sees to it. The lock makes whoever deletes
-- such a lead wait until this is committed, and take it away with the lead.
with changed as materialized (
    select s.* from staged_contacts s left join contacts c on c.org_id = s.org_id and c.lead_id = s.lead_id and c.key = s.key
    where c.key is null
       or (coalesce(s.first_name, c.first_name), coalesce(s.last_name, c.last_name), coalesce(s.email, c.email),
           coalesce(s.phone, c.phone), coalesce(s.title, c.title), coalesce(s.linkedin, c.linkedin))
       is distinct from (c.first_name, c.last_name, c.email, c.phone, c.title, c.linkedin)
), living as materialized (
    select id from leads where (org_id, id) in (select org_id, lead_id from changed) order by id for key share
)
insert into contacts as c (org_id, lead_id, key, first_name, last_name, email, phone, phone_key, title, linkedin)
select n.org_id, n.lead_id, n.key, n.first_name, n.last_name, n.email, n.phone, n.phone_key, n.title, n.linkedin
from changed n join living l on l.id = n.lead_id
order by n.lead_id, n.key
on conflict (org_id, lead_id, key) do update
set first_name = coalesce(excluded.first_name, c.first_name), last_name = coalesce(excluded.last_name, c.last_name),
    email = coalesce(excluded.email, c.email), phone = coalesce(excluded.phone, c.phone),
    phone_key = coalesce(excluded.phone_key, c.phone_key), title = coalesce(excluded.title, c.title),
    linkedin = coalesce(excluded.linkedin, c.linkedin), updated_at = now()
returning lead_id

-- name: upsert_deals
-- As with contacts. Another status does not keep the date of the one before.
with changed as materialized (
    select s.* from staged_deals s left join deals d on d.org_id = s.org_id and d.crm_id = s.crm_id
    where (s.lead_id, coalesce(s.status, d.status),
           case when s.status is distinct from d.status and s.status is not null then s.status_date
                else coalesce(s.status_date, d.status_date) end)
       is distinct from (d.lead_id, d.status, d.status_date)
), living as materialized (
    select id from leads where (org_id, id) in (select org_id, lead_id from changed) order by id for key share
)
insert into deals as d (org_id, crm_id, lead_id, status, status_date)
select n.org_id, n.crm_id, n.lead_id, n.status, n.status_date
from changed n join living l on l.id = n.lead_id
order by n.crm_id
on conflict (org_id, crm_id) do update
set lead_id = excluded.lead_id, status = coalesce(excluded.status, d.status),
    status_date = case when excluded.status is distinct from d.status and excluded.status is not null
                       then excluded.status_date else coalesce(excluded.status_date, d.status_date) end,
    updated_at = now()
returning lead_id

-- name: insert_keys
with living as materialized (
    select id from leads where (org_id, id) in (select org_id, lead_id from staged_keys) order by id for key share
)
insert into lead_keys (org_id, lead_id, key)
select s.org_id, s.lead_id, s.key from staged_keys s join living l on l.id = s.lead_id order by s.key
on conflict (org_id, key) do nothing

-- name: insert_new
-- Leads that the batch brings, with what belongs to them: this transaction looked for all of their keys, under the
-- organisation's lock, and made their ids, so nothing can be in their way. They come by way of the staged rows, because
-- PostgreSQL copies nothing straight into a table with row-level security.
insert into leads (org_id, id, name, website, location, street_num, street, postcode, city, sector, size, crm_id, siren,
                   email, owner, score, status, status_date, custom)
select * from staged_leads;
insert into contacts (org_id, lead_id, key, first_name, last_name, email, phone, phone_key, title, linkedin)
select * from staged_contacts;
insert into lead_keys (org_id, lead_id, key) select * from staged_keys;
truncate staged_leads, staged_contacts, staged_keys

-- name: stage_leads
copy staged_leads from stdin

-- name: stage_contacts
copy staged_contacts from stdin

-- name: stage_keys
copy staged_keys from stdin

-- name: stage_deals
copy staged_deals from stdin

-- name: seek
copy sought from stdin
