-- The scheduler tells how many migrations the database has.
grant select on schema_migrations to sftp_connector_scheduler;
