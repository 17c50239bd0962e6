"""Private PostgreSQL, RabbitMQ and OpenSSH servers, each owned by the process that starts it."""
