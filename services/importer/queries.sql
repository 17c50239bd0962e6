-- Statements on runs and connectors: claiming a run, and ending it.

-- name: lock_turns
-- Whoever takes or passes on an organisation's turn to import holds this, before the lock of any connector or run.
select pg_advisory_xact_lock(hashtextextended('turns ' || %(org_id)s::text, 0))

-- name: claim
-- Whoever gets a row back holds the run until the lease ends, and every later write names the attempt; or, while another
-- import of the organisation is under way, the run waits for its turn with all that is known of its file.
update runs r
set stage = case when turn.taken then 'stored' else 'importing' end, awaits_turn = turn.taken,
    attempt = r.attempt + case when turn.taken then 0 else 1 end,
    claimed_at = now(),
    lease_until = now() + make_interval(secs => %(lease)s),
    checksum = %(checksum)s, blob = %(blob)s, file_size = %(size)s, file_mtime = %(mtime)s,
    looked_at = %(looked_at)s, remote_size = %(remote_size)s, remote_checksum = %(remote_checksum)s,
    remote_path = %(path)s, host_key = %(host_key)s, address = %(address)s, algorithms = %(algorithms)s
from connectors c, lateral (
    -- A run that was handed its turn keeps it, once it has waited for a quarter of an hour, from those that came later.
    select exists (
        select from runs o
        where o.org_id = %(org_id)s and o.id <> %(run_id)s and o.lease_until >= now()
          and (o.stage = 'importing'
               or (o.stage = 'stored' and not o.awaits_turn and o.claimed_at is not null
                   and o.queued_at < least(now() - interval '15 minutes',
                                           (select queued_at from runs where id = %(run_id)s))))
    ) as taken
) turn
where r.id = %(run_id)s and r.org_id = %(org_id)s and c.id = r.connector_id and c.state <> 'deleted'
  and (r.stage in ('queued', 'fetching', 'stored') or (r.stage = 'importing' and r.lease_until < now()))
returning r.id as run_id, r.org_id, r.connector_id, r.attempt, r.reply_to, r.checksum, r.blob,
          r.dry_run, c.file_checksum, c.file_mapping_version, c.file_code, c.name as connector_name, c.path,
          c.csv_options, turn.taken

-- name: awaits_turn
select from runs where id = %(run_id)s and stage = 'stored' and awaits_turn

-- name: hand_on
-- First come, first served, but small files before large ones, for a quarter of an hour at most. Nothing comes back when
-- no run waits, or when an import of the organisation is under way, which hands on itself. The clock of the moment:
-- the transaction may have begun long ago.
update runs set awaits_turn = false, lease_until = clock_timestamp() + interval '1 minute'
where id = (
    select r.id from runs r
    where r.org_id = %(org_id)s and r.stage = 'stored' and r.awaits_turn
      and not exists (select from runs o where o.org_id = r.org_id
                      and o.stage = 'importing' and o.lease_until >= clock_timestamp())
    order by r.file_size >= %(large)s and r.queued_at > clock_timestamp() - interval '15 minutes', r.queued_at, r.id
    limit 1 for update
)
returning id as run_id, org_id, connector_id, checksum, blob, file_size as size, file_mtime as mtime, looked_at,
          remote_size, remote_checksum, remote_path as path, host_key, address, algorithms,
          coalesce(traceparent, '') as traceparent, coalesce(tracestate, '') as tracestate

-- name: idle_long
-- A store that is slow, or away for a while, must not cost the whole work; but whoever is frozen holds a lock.
set local idle_in_transaction_session_timeout = '15min'

-- name: idle_short
-- As the session began.
set local idle_in_transaction_session_timeout to default

-- name: extend_lease
update runs set lease_until = now() + make_interval(secs => %(lease)s)
where id = %(run_id)s and attempt = %(attempt)s and stage = 'importing'

-- name: end_fenced
-- Whoever holds the lock of the organisation's leads while the run is ours has lost its own, but may stand still in the
-- midst of a COPY, of which PostgreSQL would wait for the rest for ever.
select pg_terminate_backend(l.pid)
from pg_locks l
join pg_stat_activity a on a.pid = l.pid and a.datid = l.database and a.usename = current_user
join runs r on r.id = %(run_id)s and r.attempt = %(attempt)s and r.stage = 'importing' and r.lease_until >= clock_timestamp()
where l.locktype = 'advisory' and l.objsubid = 1 and l.granted and l.pid <> pg_backend_pid()
  and l.database = (select oid from pg_database where datname = current_database())
  and (l.classid::bigint << 32 | l.objid::bigint) = hashtextextended('leads ' || r.org_id::text, 0)

-- name: put_off
-- Nothing of this attempt was written. It is the last one there was, so nobody else can hold its number, which is given
-- again. The message is tried again well within the lease.
update runs set stage = 'stored', attempt = attempt - 1, lease_until = now() + interval '5 minutes'
where id = %(run_id)s and attempt = %(attempt)s and stage = 'importing'
returning id

-- name: hold
-- Keeps the run as it is until the transaction ends; nothing comes back when it was lost, or somebody has it just now.
update runs set progress_told = true
where id = (select id from runs where id = %(run_id)s and attempt = %(attempt)s and stage = 'importing'
            for no key update skip locked)
returning id

-- name: send_back
-- The blob is gone or damaged: the file is fetched anew, whatever is known of it, when its server has room.
with run as (
    update runs r
    set stage = 'waiting', server = coalesce(c.server_address, c.host), blob = null, checksum = null, lease_until = now()
    from connectors c
    where c.id = r.connector_id and r.id = %(run_id)s and r.attempt = %(attempt)s and r.stage = 'importing'
    returning r.connector_id, r.dry_run
), forgotten as (
    update connectors set file_checksum = null from run where connectors.id = run.connector_id and not run.dry_run
)
select from run

-- name: removal
select from removals where org_id = %(org_id)s

-- name: mapping
select version, fields, statuses, default_status, custom_fields from import_mappings
where org_id = %(org_id)s order by version desc limit 1

-- name: lock_connector
-- The connector first, then the run: everybody locks in this order.
select from connectors where id = %(connector_id)s and state <> 'deleted' for update

-- name: finish_run
-- Nothing comes back when the claim was lost: then nothing of the import may be committed.
update runs
set stage = 'done', outcome = %(outcome)s, code = %(code)s, detail = %(detail)s, mapping_version = %(mapping_version)s,
    rows_read = %(read)s, rows_created = %(created)s, rows_updated = %(updated)s, rows_unchanged = %(unchanged)s,
    rows_rejected = %(rejected)s, rows_ignored = %(ignored)s, rows_missing = %(missing)s, warning_count = %(warning_count)s,
    reading = %(reading)s, reject_blob = %(reject_blob)s, finished_at = clock_timestamp()
where id = %(run_id)s and attempt = %(attempt)s and stage = 'importing'
returning extract(epoch from clock_timestamp() - queued_at)::float8 as seconds, progress_told

-- name: finish_connector
-- This file version is dealt with: it is not read again until it, or the mapping, changes.
update connectors c
set file_checksum = r.checksum, file_blob = r.blob, file_size = r.file_size, file_mtime = r.file_mtime,
    file_looked_at = r.looked_at, file_compared_at = r.looked_at, file_mapping_version = %(mapping_version)s,
    file_remote_size = r.remote_size, file_remote_checksum = r.remote_checksum, file_remote_path = r.remote_path,
    file_code = %(code)s, last_code = %(code)s, failures = 0, unsettled = 0, failing_since = null, warned_at = null,
    server_address = coalesce(r.address, c.server_address),
    last_success_at = case when %(code)s::text is null then clock_timestamp() else c.last_success_at end
from runs r
where c.id = r.connector_id and r.id = %(run_id)s
returning c.due_at, c.state

-- name: pin_host_key
-- The first key that the connector's server has shown is the one to come, after a dry run as well.
update connectors c set host_keys = array[r.host_key] from runs r
where c.id = r.connector_id and r.id = %(run_id)s and c.host_keys = '{}' and r.host_key is not null

-- name: connector_as_it_is
-- After a dry run: nothing else of the connector changes.
select due_at, state from connectors where id = %(connector_id)s

-- name: keep_rejects
insert into rejects (run_id, org_id, line, record, column_name, code, reason, value)
select %(run_id)s, %(org_id)s, r.*
from unnest(%(line)s::bigint[], %(record)s::bigint[], %(column)s::text[], %(code)s::text[], %(reason)s::text[],
            %(value)s::text[]) r

-- name: fingerprints
select blob, checksum, mapping_version, recipe from fingerprints where connector_id = %(connector_id)s

-- name: keep_fingerprints
-- What comes back is what they replace.
with before as (select blob from fingerprints where connector_id = %(connector_id)s)
insert into fingerprints (connector_id, org_id, blob, checksum, mapping_version, recipe)
values (%(connector_id)s, %(org_id)s, %(blob)s, %(checksum)s, %(mapping_version)s, %(recipe)s)
on conflict (connector_id) do update
set blob = excluded.blob, checksum = excluded.checksum, mapping_version = excluded.mapping_version,
    recipe = excluded.recipe, made_at = now()
returning (select blob from before) as replaced

-- name: take_preview
-- Nothing comes back when the test has its preview already.
update connection_tests t set previewed_at = now()
where t.id = %(test_id)s and t.org_id = %(org_id)s and t.previewed_at is null
returning t.reply_to, t.connector_id,
          (select csv_options from connectors c where c.org_id = t.org_id and c.id = t.connector_id) as csv_options

-- name: lock_garbage
select pg_try_advisory_xact_lock(7240915004) as got

-- name: needed_blobs
-- Of these keys those that somebody refers to. Files of one content are one blob, also of several connectors: each of
-- them may need it.
select k.key from unnest(%(keys)s::text[]) as k (key)
where exists (select from connectors c where c.file_blob = k.key and c.state <> 'deleted')
   or exists (select from fingerprints f where f.blob = k.key)
   or exists (select from runs r
              where r.reject_blob = k.key and r.finished_at > now() - make_interval(days => %(days)s))
   or exists (select from runs r
              where r.blob = k.key
                and (r.stage <> 'done'
                     or (r.queued_at > now() - make_interval(days => %(days)s)
                         and (select count(distinct n.blob) from runs n
                              where n.connector_id = r.connector_id and n.queued_at > r.queued_at
                                and n.blob <> r.blob) < %(versions)s)))
