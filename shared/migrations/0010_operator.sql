-- What the operator's command does beside looking and sealing anew: it has a run's stored file imported again, and sees
-- what waits for RabbitMQ, though not the messages, which may hold a sealed login.
grant update (
    due_at, file_checksum, file_blob, file_size, file_mtime, file_looked_at, file_compared_at, file_mapping_version, file_code,
    file_remote_size, file_remote_checksum, file_remote_path
) on connectors to sftp_connector_operator;
grant select (id, kind, name, run_id, created_at) on outbox to sftp_connector_operator;
grant select on schema_migrations to sftp_connector_operator;
