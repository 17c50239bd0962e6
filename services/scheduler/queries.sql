-- Every statement of the scheduler.

-- name: remember_event
-- Nothing comes back when this event was handled before.
insert into inbox (source, event_id) values (%(source)s, %(event_id)s) on conflict do nothing returning event_id

-- name: forget_events
delete from inbox where received_at < now() - interval '30 days'

-- name: forget_tests
delete from connection_tests where asked_at < now() - interval '30 days'

-- name: old_runs
-- Their ids are made in the order of time, so the oldest are found at the beginning of the primary key.
select id from runs where id < %(first_kept)s and stage = 'done' order by id limit %(batch_size)s for update skip locked

-- name: forget_rejects
delete from rejects where run_id = any(%(run_ids)s)

-- name: forget_runs
delete from runs where id = any(%(run_ids)s)

-- name: forget_decisions
-- By their places, which never change: a join might read all there are.
delete from decisions
where ctid = any(array(select ctid from decisions
                       where at < now() - make_interval(days => %(days)s) order by at limit %(batch_size)s))

-- name: connector
select * from connectors where org_id = %(org_id)s and id = %(connector_id)s and state <> 'deleted' for update

-- name: insert_connector
insert into connectors (id, org_id, name, host, port, username, path, done_marker, sealed_password, sealed_key,
                        host_keys, interval_seconds, csv_options)
values (%(id)s, %(org_id)s, %(name)s, %(host)s, %(port)s, %(username)s, %(path)s, %(done_marker)s,
        nullif(%(sealed_password)s, ''), nullif(%(sealed_key)s, ''), %(host_keys)s, %(interval_seconds)s, %(csv)s)
returning *

-- name: update_connector
-- Another file is looked at with fresh eyes; whatever an admin changes is tried at once. No mapping has the version -1,
-- so the stored file is planned to be read again.
with forgotten as (delete from fingerprints where connector_id = %(id)s and %(other_file)s)
update connectors
set name = %(name)s, host = %(host)s, port = %(port)s, username = %(username)s, path = %(path)s,
    done_marker = %(done_marker)s, sealed_password = nullif(%(sealed_password)s, ''),
    sealed_key = nullif(%(sealed_key)s, ''), host_keys = %(host_keys)s, interval_seconds = %(interval_seconds)s,
    csv_options = %(csv)s,
    server_address = case when host = %(host)s then server_address end,
    file_checksum = case when %(other_file)s then null else file_checksum end,
    file_mapping_version = case when %(read_again)s then -1 else file_mapping_version end,
    state = case when paused_code is not null then 'active' else state end,
    paused_code = null, failures = 0, unsettled = 0, last_code = null, failing_since = null, warned_at = null,
    updated_at = now()
where id = %(id)s
returning *

-- name: delete_connector
with forgotten as (delete from fingerprints where connector_id = %(connector_id)s)
update connectors
set state = 'deleted', sealed_password = null, sealed_key = null, host_keys = '{}', updated_at = now()
where id = %(connector_id)s

-- name: set_state
update connectors
set state = %(state)s, paused_code = null, failures = 0, unsettled = 0, last_code = null, failing_since = null,
    warned_at = null, due_at = now(), updated_at = now()
where id = %(connector_id)s
returning *

-- name: accept_host_key
update connectors
set host_keys = case when %(host_key)s = any(host_keys) then host_keys else host_keys || %(host_key)s::text end,
    state = case when paused_code is not null then 'active' else state end,
    paused_code = null, failures = 0, unsettled = 0, last_code = null, failing_since = null, warned_at = null,
    updated_at = now()
where id = %(connector_id)s
returning *

-- name: tested_host_key
-- The key that this server showed in the organisation's last test, however that ended.
select host_key from connection_tests
where org_id = %(org_id)s and host = %(host)s and port = %(port)s and host_key is not null
order by answered_at desc limit 1

-- name: pin_host_key
-- The first key that a connector's server shows is the one it has to show from then on.
update connectors set host_keys = array[%(host_key)s::text] where id = %(connector_id)s and host_keys = '{}'

-- name: note_host_key
insert into host_keys_seen (org_id, host, port, host_key) values (%(org_id)s, %(host)s, %(port)s, %(host_key)s)
on conflict do nothing

-- name: note_host_key_of_run
-- A key that the connector has pinned was noted when it was first seen.
insert into host_keys_seen (org_id, host, port, host_key)
select c.org_id, c.host, c.port, %(host_key)s::text
from runs r join connectors c on c.id = r.connector_id
where r.id = %(run_id)s and c.state <> 'deleted' and not %(host_key)s::text = any(c.host_keys)
on conflict do nothing

-- name: host_keys_seen
select host_key, first_seen_at from host_keys_seen
where org_id = %(org_id)s and host = %(host)s and port = %(port)s and host_key = any(%(host_keys)s)

-- name: mapping_version
select coalesce(max(version), 0) as version from import_mappings where org_id = %(org_id)s

-- name: mapping
select version, fields, statuses, default_status, custom_fields from import_mappings
where org_id = %(org_id)s order by version desc limit 1

-- name: lock_mappings
select pg_advisory_xact_lock(hashtextextended('mappings ' || %(org_id)s::text, 0))

-- name: insert_mapping
insert into import_mappings (org_id, version, fields, statuses, default_status, custom_fields, saved_by)
values (%(org_id)s, %(version)s, %(fields)s, %(statuses)s, %(default_status)s, %(custom_fields)s, %(saved_by)s)

-- name: custom_fields
select id, name, kind, currency, format, url_template from custom_fields
where org_id = %(org_id)s and deleted_at is null order by length(id), id

-- name: save_custom_field
insert into custom_fields (org_id, id, name, kind, currency, format, url_template)
values (%(organisation_id)s, %(field_id)s, %(name)s, %(kind)s, %(currency)s, %(format)s, %(url_template)s)
on conflict (org_id, id) do update
set name = excluded.name, kind = excluded.kind, currency = excluded.currency, format = excluded.format,
    url_template = excluded.url_template, saved_at = now(), deleted_at = null

-- name: delete_custom_field
update custom_fields set deleted_at = now() where org_id = %(org_id)s and id = %(field_id)s and deleted_at is null

-- name: make_due
-- Files that were imported with an older mapping, and those that are just being so for the first time.
update connectors c set due_at = now()
where org_id = %(org_id)s and state = 'active'
  and (file_checksum is not null
       or exists (select from runs r where r.connector_id = c.id and r.stage <> 'done'))

-- name: lock_admission
-- Whoever counts the room at servers and takes it holds this; a connector's lock comes first, or is not waited for.
select pg_advisory_xact_lock(7240915003)

-- name: under_way
-- The looks that fetchers have or will have in hand. Nobody tells a fetcher that its run was cancelled.
select server, org_id, count(*) as runs, count(*) filter (where stage = 'queued') as queued
from (select server, org_id, stage from runs where stage in ('queued', 'fetching')
      union all
      select server, org_id, stage from runs where outcome = 'cancelled' and lease_until > now()) looks
group by server, org_id

-- name: crowd
-- Those that wait count as well: whoever came first is let in first.
select count(*) filter (where server = %(server)s) as at_server, count(*) filter (where org_id = %(org_id)s) as of_org
from (select server, org_id from runs where stage in ('waiting', 'queued', 'fetching')
      union all
      select server, org_id from runs where outcome = 'cancelled' and lease_until > now()) looks

-- name: asked
-- A page of what an admin asked for and that waits for room, longest first, after `since` and `after`.
select r.connector_id, r.org_id, r.server, r.queued_at as since, r.id as after
from runs r
where r.stage = 'waiting' and r.attempt < %(max_attempts)s and (r.queued_at, r.id) > (%(since)s, %(after)s)
  and r.server <> all(%(closed_servers)s) and r.org_id <> all(%(closed_orgs)s)
  and not exists (select from unnest(%(place_orgs)s::uuid[], %(place_servers)s::text[]) place (org_id, server)
                  where place.org_id = r.org_id and place.server = r.server)
order by r.queued_at, r.id
limit %(page)s

-- name: due
-- A page of what is due, longest first, after `since` and `after`. A stored file with a newer mapping needs no server.
-- The offset keeps the question for open runs a look into an index for each connector: a join may read all of them.
select d.id as connector_id, d.org_id, d.server, d.due_at as since, d.id as after
from (select c.id, c.org_id, c.due_at,
             case when c.file_checksum is null
                       or c.file_mapping_version = coalesce((select max(version) from import_mappings m
                                                             where m.org_id = c.org_id), 0)
                  then coalesce(c.server_address, c.host) end as server
      from connectors c
      where c.state = 'active' and c.due_at <= now() and (c.due_at, c.id) > (%(since)s, %(after)s)
        and not exists (select from runs r where r.connector_id = c.id and r.stage <> 'done' offset 0)) d
where (d.server is null or (d.server <> all(%(closed_servers)s) and d.org_id <> all(%(closed_orgs)s)))
  and not exists (select from unnest(%(place_orgs)s::uuid[], %(place_servers)s::text[]) place (org_id, server)
                  where place.org_id = d.org_id and place.server is not distinct from d.server)
order by d.due_at, d.id
limit %(page)s

-- name: claim
-- Those of the connectors that nobody else has in hand, and the runs that wait for them.
select c.*, coalesce(m.version, 0) as mapping_version, r.id as waiting_id, r.dry_run as waiting_dry
from connectors c
left join runs r on r.connector_id = c.id and r.stage <> 'done'
left join lateral (select max(version) as version from import_mappings where org_id = c.org_id) m on true
where c.id = any(%(connector_ids)s) and c.state <> 'deleted'
  and (r.stage = 'waiting' or (r.id is null and c.state = 'active' and c.due_at <= now()))
for update of c skip locked

-- name: let_in
-- Nothing comes back when the run waits no more.
update runs set stage = 'queued', server = %(server)s, lease_until = now() + make_interval(secs => %(lease)s)
where id = %(run_id)s and stage = 'waiting'
returning id

-- name: schedule
update connectors set due_at = now() + make_interval(secs => %(delay)s) where id = %(connector_id)s returning due_at

-- name: open_run
-- Nothing comes back when the connector has an open run already.
insert into runs (id, org_id, connector_id, trigger, reply_to, stage, dry_run, lease_until, server,
                  checksum, blob, file_size, file_mtime, looked_at, remote_size, remote_checksum, remote_path,
                  traceparent, tracestate)
values (%(id)s, %(org_id)s, %(connector_id)s, %(trigger)s, %(reply_to)s, %(stage)s, %(dry_run)s,
        now() + make_interval(secs => %(lease)s), %(server)s, %(checksum)s, %(blob)s, %(size)s, %(mtime)s,
        %(looked_at)s, %(remote_size)s, %(remote_checksum)s, %(path)s,
        %(traceparent)s, nullif(%(tracestate)s, ''))
on conflict (connector_id) where stage <> 'done' do nothing
returning id

-- name: trace_of
select traceparent, tracestate from runs where id = %(run_id)s

-- name: open_run_of
select id from runs where connector_id = %(connector_id)s and stage <> 'done'

-- name: cancel_runs
-- A lease that goes on says that a fetcher may still be at the server.
update runs
set stage = 'done', outcome = 'cancelled', code = 'cancelled', finished_at = clock_timestamp(),
    detail = case when %(only_dry)s then 'a dry run gave way to a sync' else 'the connector was changed or deleted' end,
    lease_until = case when started_at is not null and stage in ('queued', 'fetching') then lease_until else now() end
where connector_id = %(connector_id)s and stage <> 'done' and (dry_run or not %(only_dry)s)
returning id, reply_to, progress_told, detail

-- name: take_back_jobs
delete from outbox where run_id = any(%(run_ids)s)

-- name: start_run
-- A fetcher took the run; nothing comes back when that is known already.
update runs
set stage = 'fetching', started_at = coalesce(started_at, now()), lease_until = now() + make_interval(secs => %(lease)s)
where id = %(run_id)s and stage = 'queued'
returning org_id, connector_id, reply_to, extract(epoch from now() - queued_at)::float8 as waited,
          started_at = now() as is_first

-- name: extend_fetch
update runs
set stage = 'fetching', received_bytes = greatest(received_bytes, %(received_bytes)s),
    lease_until = now() + make_interval(secs => %(lease)s)
where id = %(run_id)s and stage in ('queued', 'fetching')

-- name: note_stored
-- The file waits for an importer; with this, what got lost on the way can be sent again without a second download.
update runs
set stage = 'stored', received_bytes = coalesce(%(remote_size)s, %(size)s), checksum = %(checksum)s, blob = %(blob)s,
    file_size = %(size)s, file_mtime = %(mtime)s, looked_at = %(looked_at)s, remote_size = %(remote_size)s,
    remote_checksum = %(remote_checksum)s, remote_path = %(path)s, host_key = %(host_key)s, address = %(address)s,
    algorithms = %(algorithms)s, lease_until = now() + make_interval(secs => %(lease)s)
where id = %(run_id)s and stage in ('queued', 'fetching')
returning id

-- name: lock_fetch
-- The connector first, then the run: everybody locks in this order.
select c.* from connectors c
where c.id = (select connector_id from runs where id = %(run_id)s) and c.state <> 'deleted'
for update

-- name: finish_fetch
-- Nothing comes back when the run does not wait for a fetcher any more: the answer is late and changes nothing.
update runs
set stage = 'done', outcome = %(outcome)s, code = %(code)s, detail = %(detail)s, finished_at = clock_timestamp(),
    remote_size = %(size)s, file_mtime = %(mtime)s, looked_at = %(looked_at)s, remote_path = %(path)s,
    host_key = %(host_key)s, address = %(address)s, algorithms = %(algorithms)s
where id = %(run_id)s
  -- An importer that has, or had, it in hand says what becomes of it.
  and (stage in ('queued', 'fetching') or (stage = 'stored' and claimed_at is null and not awaits_turn))
returning id, org_id, connector_id, reply_to, dry_run,
          extract(epoch from clock_timestamp() - queued_at)::float8 as seconds

-- name: leave_server
-- The fetcher of a cancelled run is done: its place is free.
update runs set lease_until = now() where id = %(run_id)s and outcome = 'cancelled' and lease_until > now()

-- name: connector_unchanged
update connectors
set failures = 0, unsettled = 0, last_code = file_code, failing_since = null, warned_at = null,
    -- A refused file that is as it was is no success.
    last_success_at = case when file_code is null then now() else last_success_at end,
    -- The size at the server may be that of an archive; file_size is that of the blob.
    file_remote_size = %(size)s, file_mtime = %(mtime)s, file_looked_at = %(looked_at)s,
    file_remote_path = coalesce(%(path)s, file_remote_path),
    server_address = coalesce(%(address)s, server_address),
    file_compared_at = case when %(downloaded)s then %(looked_at)s else file_compared_at end
where id = %(connector_id)s

-- name: connector_troubled
update connectors
set failures = %(failures)s, last_code = %(code)s, due_at = now() + make_interval(secs => %(delay)s),
    failing_since = case when %(failures)s = 1 then now() else coalesce(failing_since, now()) end,
    warned_at = case when %(warn)s then now() when %(failures)s > 1 then warned_at end,
    server_address = coalesce(%(address)s, server_address),
    state = case when %(pause)s then 'paused' else state end,
    -- A pause of the admin's own stays one.
    paused_code = case when %(pause)s and (state = 'active' or paused_code is not null) then %(code)s
                       else paused_code end,
    updated_at = now()
where id = %(connector_id)s
returning *

-- name: connector_unsettled
-- The look worked, the file was not ready: that is no failure, and no success that would end failures.
update connectors
set unsettled = unsettled + 1, last_code = %(code)s, due_at = now() + make_interval(secs => %(delay)s),
    server_address = coalesce(%(address)s, server_address), updated_at = now()
where id = %(connector_id)s
returning *

-- name: resume_recovered
-- A look has succeeded at a connector that Leadbay had paused by itself.
update connectors
set state = 'active', paused_code = null, failing_since = null, warned_at = null, updated_at = now()
where id in (select id from connectors where state = 'paused' and paused_code is not null and failures = 0
             limit %(batch_size)s for update skip locked)
returning *

-- name: overdue_runs
-- Runs past their lease whose last message did leave the outbox; of those that wait for a server, the ones tried too
-- often; of those that await an organisation's turn, the first where nobody imports who would hand it on.
select r.*
from runs r join connectors c on c.id = r.connector_id
where r.stage <> 'done' and (r.stage <> 'waiting' or r.attempt >= %(max_attempts)s) and r.lease_until < now()
  and not exists (select from outbox o where o.run_id = r.id)
  and not (r.awaits_turn and exists (
      select from runs o
      where o.org_id = r.org_id
        and ((o.stage = 'importing' and o.lease_until >= now())
             or (o.stage = 'stored' and o.awaits_turn and (o.queued_at, o.id) < (r.queued_at, r.id)))))
order by r.lease_until limit %(batch_size)s
for update of c, r skip locked

-- name: wait_on
-- Its message still waits in a queue: nothing was lost.
update runs set lease_until = now() + make_interval(secs => %(lease)s) where id = %(run_id)s

-- name: resend_fetch
-- What no fetcher ever took does not count: the message was lost, not its worker.
update runs
set stage = 'queued', sends = sends + case when stage = 'queued' then 0 else 1 end, lease_until = now() + make_interval(secs => %(lease)s)
where id = %(run_id)s

-- name: resend_import
-- Back to "stored": an importer that still holds the old claim is fenced off from now on.
update runs set stage = 'stored', awaits_turn = false, lease_until = now() + make_interval(secs => %(lease)s)
where id = %(run_id)s

-- name: give_up
update runs
set stage = 'done', outcome = 'failed', code = 'gave_up', detail = %(detail)s, finished_at = clock_timestamp()
where id = %(run_id)s
returning *

-- name: remember_given_up_file
-- The file version that could not be imported is not tried again until it changes.
update connectors
set file_checksum = %(checksum)s, file_blob = %(blob)s, file_size = %(file_size)s, file_mtime = %(file_mtime)s,
    file_looked_at = %(looked_at)s, file_compared_at = %(looked_at)s, file_remote_size = %(remote_size)s,
    file_remote_checksum = %(remote_checksum)s, file_remote_path = %(remote_path)s, file_code = 'gave_up',
    file_mapping_version = (select coalesce(max(version), 0) from import_mappings where org_id = connectors.org_id)
where id = %(connector_id)s

-- name: lock_tests
select pg_advisory_xact_lock(hashtextextended('tests ' || %(org_id)s::text, 0))

-- name: open_tests
select count(*) as open from connection_tests where org_id = %(org_id)s and answered_at is null

-- name: insert_test
insert into connection_tests (id, org_id, connector_id, reply_to, host, port)
values (%(id)s, %(org_id)s, %(connector_id)s, %(reply_to)s, %(host)s, %(port)s)

-- name: answer_test
-- Nothing comes back when the test was answered before.
update connection_tests set answered_at = now(), ok = %(ok)s, host_key = %(host_key)s
where id = %(test_id)s and answered_at is null
returning org_id, connector_id, reply_to, host, port

-- name: overdue_tests
select id from connection_tests
where answered_at is null and asked_at < now() - make_interval(secs => %(timeout)s)
limit %(batch_size)s
for update skip locked

-- name: outbox_lock
select pg_try_advisory_xact_lock(7240915002) as got

-- name: outbox_batch
select id, kind, name, body from outbox order by id limit 100

-- name: outbox_done
delete from outbox where id = any(%(ids)s)

-- name: lock_organisation
-- Whoever carries out an event of an organisation holds this; many may at once.
select pg_advisory_xact_lock_shared(hashtextextended('organisation ' || %(org_id)s::text, 0))

-- name: lock_organisation_alone
-- Whoever ends the organisation holds it alone: nothing is added to it by an event in hand.
select pg_advisory_xact_lock(hashtextextended('organisation ' || %(org_id)s::text, 0))

-- name: begin_removal
-- Nothing comes back when it began before.
insert into removals (org_id, reply_to, lease_until)
values (%(org_id)s, %(reply_to)s, now() + make_interval(secs => %(lease)s))
on conflict do nothing
returning org_id

-- name: removal
select from removals where org_id = %(org_id)s

-- name: connectors_of
select * from connectors where org_id = %(org_id)s and state <> 'deleted' order by id for update

-- name: overdue_removals
update removals set lease_until = now() + make_interval(secs => %(lease)s)
where org_id in (select org_id from removals where removed_at is null and lease_until < now()
                 limit %(batch_size)s for update skip locked)
returning org_id
