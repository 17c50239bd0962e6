"""The fault tests work on the same stack as the pipeline tests."""

from tests.pipeline.conftest import db, leads_csv, stack, ui, world

__all__ = ["db", "leads_csv", "stack", "ui", "world"]
