"""Stub replaced soon."""

from shared.contracts import FieldProblem


def mapping_problems(
    fields: dict[str, str], statuses: dict[str, str], default_status: str | None
) -> list[FieldProblem]:
    return []
