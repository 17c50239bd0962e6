"""The scheduler: keeps connectors, decides when a file is looked at, and tells the UI what came of it."""
