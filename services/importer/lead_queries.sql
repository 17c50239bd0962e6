-- Statements on leads, contacts, deals and keys: what one batch of rows merges.

-- name: lock_organisation
-- Imports of one organisation merge one after the other: no deadlock, no lead made twice. This wait may be long.
select pg_advisory_xact_lock(hashtextextended('leads ' || %(org_id)s::text, 0))

-- name: wait_long
set local lock_timeout = 0

-- name: wait_short
set local lock_timeout = '60s'

-- name: staging
create temp table if not exists staged_leads (
    id uuid primary key, is_new boolean not null, name text, website text, status text, status_date date,
    location text, street_num text, street text, postcode text, city text, sector text, size text, crm_id text,
    siren text, email text, owner text, score text, fallback_status text, custom jsonb not null
) on commit delete rows;
create temp table if not exists staged_contacts (
    lead_id uuid not null, key text not null, first_name text, last_name text, email text, phone text,
    phone_key text, title text, linkedin text, primary key (lead_id, key)
) on commit delete rows;
create temp table if not exists staged_deals (
    crm_id text primary key, lead_id uuid not null, status text, status_date date
) on commit delete rows;
create temp table if not exists staged_keys (key text primary key, lead_id uuid not null) on commit delete rows

-- name: clear_staging
truncate staged_leads, staged_contacts, staged_deals, staged_keys

-- name: known_keys
select k.key, k.lead_id, l.crm_id, l.siren
from lead_keys k join leads l on l.org_id = k.org_id and l.id = k.lead_id
where k.org_id = %(org_id)s and k.key = any(%(keys)s)

-- name: known_ids
select id as lead_id, crm_id, siren from leads where org_id = %(org_id)s and id = any(%(ids)s)

-- name: strangers
-- Those whom the database does not know by the very same key; in most files these are few.
select a.lead_id, a.key from unnest(%(lead_ids)s::uuid[], %(keys)s::text[]) as a (lead_id, key)
where not exists (select from contacts c where c.org_id = %(org_id)s and c.lead_id = a.lead_id and c.key = a.key)

-- name: known_people
-- Those at the batch's leads who have something in common with somebody in the batch.
select lead_id, key, email, linkedin, first_name, last_name from contacts
where org_id = %(org_id)s and lead_id = any(%(lead_ids)s)
  and (key = any(%(keys)s) or lower(email) = any(%(emails)s) or lower(linkedin) = any(%(linkedins)s)
       or lower(concat_ws(' ', first_name, last_name)) = any(%(names)s))
order by lead_id, key

-- name: insert_leads
insert into leads (id, org_id, name, website, status, status_date, location, street_num, street, postcode, city,
                   sector, size, crm_id, siren, email, owner, score, custom)
select id, %(org_id)s, name, website, coalesce(status, fallback_status, 'DEFAULT'), status_date, location, street_num, street,
       postcode, city, sector, size, crm_id, siren, email, owner, score, custom
from staged_leads where is_new

-- name: update_leads
-- An empty cell never erases; a lead that would stay as it is is not written.
update leads l
set name = n.name, website = n.website, status = n.status, status_date = n.status_date, location = n.location,
    street_num = n.street_num, street = n.street, postcode = n.postcode, city = n.city, sector = n.sector,
    size = n.size, crm_id = n.crm_id, siren = n.siren, email = n.email, owner = n.owner, score = n.score,
    custom = n.custom, updated_at = now()
from (
    select o.id, coalesce(s.name, o.name) as name, coalesce(s.website, o.website) as website,
           coalesce(s.status, o.status) as status,
           case when s.status is not null and s.status <> o.status then s.status_date
                else coalesce(s.status_date, o.status_date) end as status_date,
           coalesce(s.location, o.location) as location, coalesce(s.street_num, o.street_num) as street_num,
           coalesce(s.street, o.street) as street, coalesce(s.postcode, o.postcode) as postcode,
           coalesce(s.city, o.city) as city, coalesce(s.sector, o.sector) as sector,
           coalesce(s.size, o.size) as size, coalesce(s.crm_id, o.crm_id) as crm_id,
           coalesce(s.siren, o.siren) as siren, coalesce(s.email, o.email) as email,
           coalesce(s.owner, o.owner) as owner, coalesce(s.score, o.score) as score, o.custom || s.custom as custom
    from staged_leads s join leads o on o.org_id = %(org_id)s and o.id = s.id
    where not s.is_new
) n
where l.org_id = %(org_id)s and l.id = n.id
  and (l.name, l.website, l.status, l.status_date, l.location, l.street_num, l.street, l.postcode, l.city, l.sector,
       l.size, l.crm_id, l.siren, l.email, l.owner, l.score, l.custom)
   is distinct from
      (n.name, n.website, n.status, n.status_date, n.location, n.street_num, n.street, n.postcode, n.city, n.sector,
       n.size, n.crm_id, n.siren, n.email, n.owner, n.score, n.custom)
returning l.id as lead_id

-- name: upsert_contacts
insert into contacts as c (org_id, lead_id, key, first_name, last_name, email, phone, phone_key, title, linkedin)
select %(org_id)s, lead_id, key, first_name, last_name, email, phone, phone_key, title, linkedin from staged_contacts
order by lead_id, key
on conflict (org_id, lead_id, key) do update
set first_name = coalesce(excluded.first_name, c.first_name), last_name = coalesce(excluded.last_name, c.last_name),
    email = coalesce(excluded.email, c.email), phone = coalesce(excluded.phone, c.phone),
    phone_key = coalesce(excluded.phone_key, c.phone_key), title = coalesce(excluded.title, c.title), linkedin = coalesce(excluded.linkedin, c.linkedin), updated_at = now()
where (coalesce(excluded.first_name, c.first_name), coalesce(excluded.last_name, c.last_name),
       coalesce(excluded.email, c.email), coalesce(excluded.phone, c.phone), coalesce(excluded.title, c.title),
       coalesce(excluded.linkedin, c.linkedin))
   is distinct from (c.first_name, c.last_name, c.email, c.phone, c.title, c.linkedin)
returning lead_id

-- name: upsert_deals
-- Another status does not keep the date of the one before.
insert into deals as d (org_id, crm_id, lead_id, status, status_date)
select %(org_id)s, s.crm_id, s.lead_id, coalesce(s.status, o.status),
       case when s.status is distinct from o.status and s.status is not null then s.status_date
            else coalesce(s.status_date, o.status_date) end
from staged_deals s left join deals o on o.org_id = %(org_id)s and o.crm_id = s.crm_id
order by s.crm_id
on conflict (org_id, crm_id) do update
set lead_id = excluded.lead_id, status = excluded.status, status_date = excluded.status_date, updated_at = now()
where (excluded.lead_id, excluded.status, excluded.status_date) is distinct from (d.lead_id, d.status, d.status_date)
returning lead_id

-- name: insert_keys
insert into lead_keys (org_id, key, lead_id)
select %(org_id)s, key, lead_id from staged_keys order by key
on conflict (org_id, key) do nothing
