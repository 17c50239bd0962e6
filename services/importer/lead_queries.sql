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
delete from lead_keys where org_id = %(org_id)s and key = any(%(keys)s)

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
-- An empty cell never erases; a lead that would stay as it is is not written.
update leads l
set name = n.name, website = n.website, status = n.status, status_date = n.status_date, location = n.location,
    street_num = n.street_num, street = n.street, postcode = n.postcode, city = n.city, sector = n.sector,
    size = n.size, crm_id = n.crm_id, siren = n.siren, email = n.email, owner = n.owner, score = n.score,
    custom = n.custom, updated_at = now()
from (
    select o as old, o.org_id, o.id, coalesce(s.name, o.name) as name, coalesce(s.website, o.website) as website,
           coalesce(s.status, o.status) as status,
           case when s.status is not null and s.status <> o.status then s.status_date
                else coalesce(s.status_date, o.status_date) end as status_date,
           coalesce(s.location, o.location) as location, coalesce(s.street_num, o.street_num) as street_num,
           coalesce(s.street, o.street) as street, coalesce(s.postcode, o.postcode) as postcode,
           coalesce(s.city, o.city) as city, coalesce(s.sector, o.sector) as sector,
           coalesce(s.size, o.size) as size, coalesce(s.crm_id, o.crm_id) as crm_id,
           coalesce(s.siren, o.siren) as siren, coalesce(s.email, o.email) as email,
           coalesce(s.owner, o.owner) as owner, coalesce(s.score, o.score) as score, o.custom || s.custom as custom
    from staged_leads s join leads o on o.org_id = s.org_id and o.id = s.id
) n
where l.org_id = n.org_id and l.id = n.id
  and (n.name, n.website, n.status, n.status_date, n.location, n.street_num, n.street, n.postcode, n.city, n.sector,
       n.size, n.crm_id, n.siren, n.email, n.owner, n.score, n.custom)
   is distinct from
      ((n.old).name, (n.old).website, (n.old).status, (n.old).status_date, (n.old).location, (n.old).street_num,
       (n.old).street, (n.old).postcode, (n.old).city, (n.old).sector, (n.old).size, (n.old).crm_id, (n.old).siren,
       (n.old).email, (n.old).owner, (n.old).score, (n.old).custom)
returning l.id as lead_id

-- name: upsert_contacts
-- Only what changes is written, and only at leads that still are: no foreign key sees to it. The lock makes whoever deletes
-- such a lead wait until this is committed, and take it away with the lead.
with changed as materialized (
    select n.* from (
        select c as old, s.org_id, s.lead_id, s.key, coalesce(s.first_name, c.first_name) as first_name,
               coalesce(s.last_name, c.last_name) as last_name, coalesce(s.email, c.email) as email,
               coalesce(s.phone, c.phone) as phone, coalesce(s.phone_key, c.phone_key) as phone_key,
               coalesce(s.title, c.title) as title, coalesce(s.linkedin, c.linkedin) as linkedin
        from staged_contacts s left join contacts c on c.org_id = s.org_id and c.lead_id = s.lead_id and c.key = s.key
    ) n
    where (n.old).key is null
       or (n.first_name, n.last_name, n.email, n.phone, n.title, n.linkedin) is distinct from
          ((n.old).first_name, (n.old).last_name, (n.old).email, (n.old).phone, (n.old).title, (n.old).linkedin)
), living as materialized (
    select id from leads where (org_id, id) in (select org_id, lead_id from changed) order by id for key share
)
insert into contacts (org_id, lead_id, key, first_name, last_name, email, phone, phone_key, title, linkedin)
select n.org_id, n.lead_id, n.key, n.first_name, n.last_name, n.email, n.phone, n.phone_key, n.title, n.linkedin
from changed n join living l on l.id = n.lead_id
order by n.lead_id, n.key
on conflict (org_id, lead_id, key) do update
set first_name = excluded.first_name, last_name = excluded.last_name, email = excluded.email, phone = excluded.phone,
    phone_key = excluded.phone_key, title = excluded.title, linkedin = excluded.linkedin, updated_at = now()
returning lead_id

-- name: upsert_deals
-- As with contacts. Another status does not keep the date of the one before.
with changed as materialized (
    select n.* from (
        select d as old, s.org_id, s.crm_id, s.lead_id, coalesce(s.status, d.status) as status,
               case when s.status is distinct from d.status and s.status is not null then s.status_date
                    else coalesce(s.status_date, d.status_date) end as status_date
        from staged_deals s left join deals d on d.org_id = s.org_id and d.crm_id = s.crm_id
    ) n
    where (n.lead_id, n.status, n.status_date) is distinct from
          ((n.old).lead_id, (n.old).status, (n.old).status_date)
), living as materialized (
    select id from leads where (org_id, id) in (select org_id, lead_id from changed) order by id for key share
)
insert into deals (org_id, crm_id, lead_id, status, status_date)
select n.org_id, n.crm_id, n.lead_id, n.status, n.status_date
from changed n join living l on l.id = n.lead_id
order by n.crm_id
on conflict (org_id, crm_id) do update
set lead_id = excluded.lead_id, status = excluded.status, status_date = excluded.status_date, updated_at = now()
returning lead_id

-- name: insert_keys
with living as materialized (
    select id from leads where (org_id, id) in (select org_id, lead_id from staged_keys) order by id for key share
)
insert into lead_keys (org_id, lead_id, key)
select s.org_id, s.lead_id, s.key from staged_keys s join living l on l.id = s.lead_id order by s.key
on conflict (org_id, key) do nothing

-- name: copy_leads
-- Leads that the batch brings, with what belongs to them: this transaction looked for all of their keys, under the
-- organisation's lock, and made their ids, so nothing can be in their way.
copy leads (org_id, id, name, website, location, street_num, street, postcode, city, sector, size, crm_id, siren, email,
            owner, score, status, status_date, custom) from stdin

-- name: copy_contacts
copy contacts (org_id, lead_id, key, first_name, last_name, email, phone, phone_key, title, linkedin) from stdin

-- name: copy_keys
copy lead_keys (org_id, lead_id, key) from stdin

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
