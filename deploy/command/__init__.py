"""The operator's command `sftp-connector`: sees, explains and mends what the services do."""
