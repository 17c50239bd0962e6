"""Reads from a UI event what is asked for and by whom, or says why it cannot be carried out."""

from uuid import UUID

from pydantic import ValidationError

from shared.contracts import UI_EVENTS, Asked, CloudEvent, FieldProblem
from shared.errors import BadMessage
from shared.mapping import shown


class Refusal(Exception):
    """The event is answered with this code and changes nothing."""

    def __init__(self, code: str, errors: tuple[FieldProblem, ...] = ()) -> None:
        super().__init__(code)
        self.code = code
        self.errors = errors


def asker(event: CloudEvent) -> Asked:
    """Who asks; BadMessage when not even that can be read."""
    try:
        return Asked.model_validate(event.data)
    except ValidationError:
        raise BadMessage("the event names no organisation, user and role") from None


def named(event: CloudEvent) -> UUID | None:
    """The connector that the event is about, if it names one."""
    try:
        return UUID(str(event.data.get("connector_id")))
    except ValueError:
        return None


def parse(event: CloudEvent) -> Asked:
    """What is asked for; a Refusal names each wrong field, BadMessage says that there is no such type."""
    asked_type = UI_EVENTS.get(event.type)
    if asked_type is None:
        raise BadMessage("no such event type")
    try:
        return asked_type.model_validate(event.data)
    except ValidationError as error:
        raise Refusal("invalid_fields", tuple(_problems(error))) from None


def _problems(error: ValidationError) -> list[FieldProblem]:
    """One problem a field; the value itself is never repeated."""
    return [
        FieldProblem(
            field=".".join(shown(str(part)) for part in problem["loc"]),
            code=problem["type"],
            message=problem["msg"].removeprefix("Value error, "),
        )
        for problem in error.errors(include_input=False, include_url=False, include_context=False)
    ]
