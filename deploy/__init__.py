"""How the connector is run: the local stack."""
