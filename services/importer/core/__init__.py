"""The importer's decisions, pure: text in, values out; no I/O, no clock, no settings."""
