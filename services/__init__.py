"""The three services of the connector: scheduler, fetcher and importer."""
