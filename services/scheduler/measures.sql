-- What the gauges tell. All but the last cost what there is to do, however many connectors there are.

-- name: backlog
select
    (select coalesce(extract(epoch from now() - min(due_at)), 0)::float8 from connectors
     where state = 'active' and due_at < now()) as oldest_due,
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
       extract(epoch from now() - min(queued_at))::float8 as oldest,
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
select count(*) filter (where is_fresh) as fresh,
       count(*) filter (where not is_fresh and last_code is not null) as failing,
       count(*) filter (where not is_fresh and last_code is null) as late,
       percentile_disc(%(quantiles)s::float8[]) within group (order by since desc) as successes, now() as moment
from (select last_code, since, since > now() - make_interval(secs => 2 * interval_seconds) as is_fresh
      from (select last_code, interval_seconds, coalesce(last_success_at, created_at) as since
            from connectors where state = 'active') active) aged
