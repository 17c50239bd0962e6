-- What the gauges tell. All but the last cost what there is to do, however many connectors there are.

-- name: backlog
-- A connector whose run is open waits for nothing that `due` would give it. For the offset see there.
select
    coalesce((select extract(epoch from now() - c.due_at) from connectors c
              where c.state = 'active' and c.due_at < now()
                and not exists (select from runs r where r.connector_id = c.id and r.stage <> 'done' offset 0)
              order by c.due_at limit 1), 0)::float8 as oldest_due,
    (select coalesce(extract(epoch from now() - min(coalesce(last_success_at, created_at))), 0)::float8
     from connectors where state = 'active') as oldest_success,
    (select coalesce(extract(epoch from now() - min(asked_at)), 0)::float8 from removals
     where removed_at is null) as oldest_removal,
    (select count(*) from outbox) as outbox,
    (select coalesce(extract(epoch from now() - min(created_at)), 0)::float8
     from (select created_at from outbox order by id limit 1) first) as outbox_oldest,
    (select count(*) from schema_migrations) as migrations

-- name: open_runs
-- By stage. Nobody is late with a run that waits for room, or for its organisation's turn.
select stage, count(*) as runs,
       coalesce(extract(epoch from now() - min(queued_at) filter (where not awaits_turn)), 0)::float8 as oldest,
       coalesce(extract(epoch from now() - min(claimed_at) filter (where stage = 'importing')), 0)::float8 as claimed,
       greatest(extract(epoch from now() - min(lease_until) filter (where stage <> 'waiting' and not awaits_turn)), 0)
           ::float8 as overdue
from runs where stage <> 'done' group by stage

-- name: paused
select count(*) filter (where paused_code is null) as paused,
       count(*) filter (where paused_code is not null) as auto_paused
from connectors where state = 'paused'

-- name: freshness
-- Reads all connectors that are active. The latest success comes first, so that an older one has a higher quantile.
-- A large file may take longer than the interval; whatever takes longer than six hours is stuck.
select count(*) filter (where is_fresh) as fresh,
       count(*) filter (where not is_fresh and last_code is not null) as failing,
       count(*) filter (where not is_fresh and last_code is null) as late,
       percentile_disc(%(quantiles)s::float8[]) within group (order by since desc) as successes, now() as moment
from (select last_code, since,
             since > now() - make_interval(secs => 2 * interval_seconds) or (last_code is null and in_hand) as is_fresh
      from (select c.last_code, c.interval_seconds, coalesce(c.last_success_at, c.created_at) as since,
                   r.id is not null as in_hand
            from connectors c
            left join runs r on r.connector_id = c.id and r.stage <> 'done'
                and (r.stage in ('fetching', 'importing') or r.awaits_turn)
                and r.queued_at > now() - interval '6 hours'
            where c.state = 'active') active) aged
