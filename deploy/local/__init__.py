"""Everything that runs the connector on one machine: set-up, servers, demo and checks."""
