"""The importer: reads a file from the blob store and merges its rows into the organisation's leads."""
