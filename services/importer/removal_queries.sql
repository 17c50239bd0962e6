-- What removes an organisation, a slice at a time. `some_...` remove so many rows at most, in the order of this file:
-- what refers to others goes before them.

-- name: take
-- Nothing comes back when it is done, or somebody else has it in hand.
update removals set lease_until = now() + make_interval(secs => %(lease)s)
where org_id = (select org_id from removals where org_id = %(org_id)s and removed_at is null for update skip locked)
returning reply_to, leads

-- name: some_leads
-- With their contacts, deals and keys.
delete from leads where (org_id, id) in (select org_id, id from leads where org_id = %(org_id)s limit %(limit)s)

-- name: some_lead_keys
delete from lead_keys
where (org_id, key) in (select org_id, key from lead_keys where org_id = %(org_id)s limit %(limit)s)

-- name: some_contacts
delete from contacts
where (org_id, lead_id, key) in
      (select org_id, lead_id, key from contacts where org_id = %(org_id)s limit %(limit)s)

-- name: some_deals
delete from deals
where (org_id, crm_id) in (select org_id, crm_id from deals where org_id = %(org_id)s limit %(limit)s)

-- name: some_rejects
-- By way of the connectors, because only they can be found by their organisation at once.
delete from rejects
where run_id in (select id from runs where connector_id in (select id from connectors where org_id = %(org_id)s)
                 and exists (select from rejects r where r.run_id = runs.id) limit 10)

-- name: some_fingerprints
delete from fingerprints where connector_id in (select id from connectors where org_id = %(org_id)s)

-- name: some_tests
delete from connection_tests
where id in (select id from connection_tests where org_id = %(org_id)s limit %(limit)s)

-- name: some_runs
delete from runs
where id in (select id from runs where connector_id in (select id from connectors where org_id = %(org_id)s)
             limit %(limit)s)

-- name: some_decisions
-- After the runs: of a run that is gone nothing more is noted.
delete from decisions
where (org_id, run_id, id) in
      (select org_id, run_id, id from decisions where org_id = %(org_id)s limit %(limit)s)

-- name: some_connectors
delete from connectors where id in (select id from connectors where org_id = %(org_id)s limit %(limit)s)

-- name: some_mappings
delete from import_mappings where org_id = %(org_id)s

-- name: some_custom_fields
delete from custom_fields where org_id = %(org_id)s

-- name: some_host_keys
delete from host_keys_seen where org_id = %(org_id)s

-- name: note_leads
update removals set leads = leads + %(count)s where org_id = %(org_id)s

-- name: left
-- Every table that holds rows of organisations, but for that of removals itself.
select name from (
    select 'leads' as name where exists (select from leads where org_id = %(org_id)s)
    union all select 'lead_keys' where exists (select from lead_keys where org_id = %(org_id)s)
    union all select 'contacts' where exists (select from contacts where org_id = %(org_id)s)
    union all select 'deals' where exists (select from deals where org_id = %(org_id)s)
    union all select 'rejects' where exists (
        select from connectors c join runs r on r.connector_id = c.id join rejects j on j.run_id = r.id
        where c.org_id = %(org_id)s)
    union all select 'fingerprints' where exists (select from fingerprints where org_id = %(org_id)s)
    union all select 'connection_tests' where exists (select from connection_tests where org_id = %(org_id)s)
    union all select 'runs' where exists (
        select from connectors c join runs r on r.connector_id = c.id where c.org_id = %(org_id)s)
    union all select 'decisions' where exists (select from decisions where org_id = %(org_id)s)
    union all select 'connectors' where exists (select from connectors where org_id = %(org_id)s)
    union all select 'import_mappings' where exists (select from import_mappings where org_id = %(org_id)s)
    union all select 'custom_fields' where exists (select from custom_fields where org_id = %(org_id)s)
    union all select 'host_keys_seen' where exists (select from host_keys_seen where org_id = %(org_id)s)
) tables

-- name: finish
update removals set removed_at = now() where org_id = %(org_id)s and removed_at is null returning leads
