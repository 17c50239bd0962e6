-- Runs are forgotten some time after their files: a hundred thousand connectors leave ten million of them a day.
grant delete on runs to sftp_connector_scheduler;
grant select, delete on rejects to sftp_connector_scheduler;
