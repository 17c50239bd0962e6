-- A hundred thousand connectors: what is asked for again and again costs what there is to do, not what there is.

-- The looks at servers: those that are stored or imported may be many more, while importers are busy.
create index runs_looking on runs (server, org_id, stage) where stage in ('waiting', 'queued', 'fetching');
create index runs_waiting on runs (queued_at, id) where stage = 'waiting';

-- Which active connector has gone without a success longest.
create index connectors_success on connectors ((coalesce(last_success_at, created_at))) where state = 'active';
create index connectors_paused on connectors (id) where state = 'paused';

-- Tests are forgotten by their age.
create index connection_tests_age on connection_tests (asked_at);

-- Each look changes its connector and its run, each message its row in the outbox: they are vacuumed by what changed,
-- not by a share of what there is.
alter table connectors set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
alter table runs set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
alter table outbox set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
