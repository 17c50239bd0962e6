-- Every statement of the operator's command. None of them reads more of a login than the name of its key.

-- name: sees_all
-- Whether the role is shown the rows of all organisations; another one would find none, and be told nothing.
select not row_security_active('runs') or exists (
    select from pg_policies p, unnest(p.roles) role
    where p.tablename = 'runs' and p.policyname = 'every_organisation' and pg_has_role(current_user, role, 'usage')
) as sees_all

-- name: missing_tables
select name from unnest(%(names)s::text[]) name where to_regclass(name) is null order by name

-- name: connectors
select id, org_id, name, host, port, path, state, failures, last_code, paused_code, file_code,
       case when state = 'active' then due_at end as due_at, last_success_at
from connectors
where (%(org)s::uuid is null or org_id = %(org)s)
  and case when %(state)s::text is null then state <> 'deleted' else state = %(state)s end
  and (%(code)s::text is null or %(code)s in (last_code, paused_code, file_code))
order by org_id, id limit %(limit)s

-- name: connector
select id, org_id, name, state, host, port, username, path, done_marker, interval_seconds,
       case when state = 'active' then due_at end as due_at,
       case when sealed_key is not null then 'private key' when sealed_password is not null then 'password' end as login,
       split_part(coalesce(sealed_key, sealed_password), '.', 1) as sealed_to,
       host_keys, server_address, csv_options, failures, failing_since, warned_at, unsettled, last_code, paused_code,
       last_success_at, file_checksum, file_size, file_remote_path, file_looked_at, file_compared_at,
       file_mapping_version, file_code, created_at, updated_at,
       (select max(version) from import_mappings m where m.org_id = connectors.org_id) as current_mapping,
       (select id from runs r where r.connector_id = connectors.id and r.stage <> 'done') as open_run
from connectors where id = %(connector_id)s

-- name: runs
-- The ids are in the order of time. Of one connector the other statement is asked, by an index of its own.
select id, org_id, connector_id, trigger, dry_run, stage, outcome, code, queued_at, finished_at, rows_read, rows_rejected
from runs
where (not %(open)s or stage <> 'done') and (not %(failed)s or outcome = 'failed')
order by id desc limit %(limit)s

-- name: runs_of_connector
select id, org_id, connector_id, trigger, dry_run, stage, outcome, code, queued_at, finished_at, rows_read, rows_rejected
from runs
where connector_id = %(connector)s and (not %(open)s or stage <> 'done') and (not %(failed)s or outcome = 'failed')
order by queued_at desc limit %(limit)s

-- name: run
-- A look that was cancelled takes up room until its lease ends: somebody may still be at the server.
with looks as (
    select server, org_id from runs where stage in ('queued', 'fetching')
    union all select server, org_id from runs where outcome = 'cancelled' and lease_until > now()
)
select r.id, r.org_id, r.connector_id, r.trigger, r.reply_to, r.dry_run, r.stage, r.sends, r.attempt, r.awaits_turn,
       r.lease_until, r.server, r.address, r.algorithms, r.host_key, r.outcome, r.code, r.detail,
       r.checksum, r.blob is not null as stored, r.file_size, r.remote_size, r.remote_path, r.looked_at, r.received_bytes,
       r.mapping_version, r.rows_read, r.rows_created, r.rows_updated, r.rows_unchanged, r.rows_rejected, r.rows_ignored,
       r.rows_missing, r.warning_count, r.reading, r.reject_blob, r.queued_at, r.started_at, r.claimed_at, r.finished_at,
       now() as now, c.host, c.path, c.state as connector_state, c.due_at as next_check_at,
       (select count(*) from outbox o where o.run_id = r.id) as owed,
       (select count(*) from looks l where l.server = r.server) as at_server,
       (select count(*) from looks l where l.org_id = r.org_id) as of_organisation,
       (select o.id from runs o where o.org_id = r.org_id and o.stage = 'importing' and o.id <> r.id limit 1) as importing
from runs r join connectors c on c.id = r.connector_id
where r.id = %(run_id)s

-- name: decisions
select at, step, detail from decisions where org_id = %(org_id)s and run_id = %(run_id)s order by id

-- name: rejects
select line, record, column_name, code, reason, value from rejects
where run_id = %(run_id)s order by line, record, column_name, code limit %(limit)s

-- name: lock_connector
-- Whoever opens a run holds this, too.
select state, file_checksum from connectors where id = %(connector_id)s for update

-- name: open_run_of
select id from runs where connector_id = %(connector_id)s and stage <> 'done'

-- name: replay
-- No mapping has the version -1, so the scheduler plans to import the stored file again.
update connectors c
set file_checksum = r.checksum, file_blob = r.blob, file_size = r.file_size, file_mtime = r.file_mtime,
    file_looked_at = r.looked_at, file_compared_at = r.looked_at, file_remote_size = r.remote_size,
    file_remote_checksum = r.remote_checksum, file_remote_path = r.remote_path,
    file_mapping_version = -1, file_code = null, due_at = now()
from runs r
where r.id = %(run_id)s and c.id = r.connector_id

-- name: seals
-- To which keys logins are sealed.
select split_part(sealed, '.', 1) as key, count(*) as logins
from (select sealed_password as sealed from connectors where state <> 'deleted'
      union all
      select sealed_key from connectors where state <> 'deleted') logins
where sealed is not null
group by 1 order by 1

-- name: migrations
select name, checksum from schema_migrations

-- name: clock
select clock_timestamp() as now

-- name: owed
select count(*) as messages, coalesce(extract(epoch from now() - min(created_at)), 0)::float8 as seconds from outbox

-- name: late
-- How long the first connector waits for a run that a scheduler should have opened, and the first run to be handed on.
select (select greatest(coalesce(extract(epoch from now() - min(c.due_at)), 0), 0)::float8 from connectors c
        where c.state = 'active' and c.due_at < now()
          and not exists (select from runs r where r.connector_id = c.id and r.stage <> 'done')) as due,
       (select greatest(coalesce(extract(epoch from now() - min(lease_until)), 0), 0)::float8 from runs
        where stage not in ('waiting', 'done') and not awaits_turn) as overdue
