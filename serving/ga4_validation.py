"""What ``/debug/mp/collect`` answers: what is wrong with a request, in the words of Google's validation server."""

from msgspec import Struct

from serving.decoding import decode
from serving.errors import ClientError
from serving.ga4 import Measurement, MeasurementReader
from serving.segment import Arrival

_CODES = {
    "no_visitor": "VALUE_REQUIRED",
    "no_event_name": "NAME_INVALID",
    "time_too_early": "VALUE_OUT_OF_BOUNDS",
    "time_in_future": "VALUE_OUT_OF_BOUNDS",
    "too_long": "VALUE_OUT_OF_BOUNDS",
    "event_too_large": "VALUE_OUT_OF_BOUNDS",
    "too_deep": "VALUE_OUT_OF_BOUNDS",
    "batch_too_large": "EXCEEDED_MAX_ENTITIES",
}
_ANY_OTHER = "VALUE_INVALID"


class ValidationMessage(Struct, frozen=True, rename="camel"):
    """One thing that is wrong: where, what, and Google's code for its kind."""

    field_path: str
    description: str
    validation_code: str


class ValidationAnswer(Struct, frozen=True, rename="camel"):
    """What would be refused; nothing was kept."""

    validation_messages: list[ValidationMessage]


def validate(body: bytes, reader: MeasurementReader, arrival: Arrival, most_events: int) -> ValidationAnswer:
    """Return what is wrong with a request: an empty list for one of which every event would be kept."""
    try:
        request = decode(body, Measurement)
    except ClientError as error:
        return ValidationAnswer([_message(error, "")])
    wrong: list[ValidationMessage] = []
    if len(request.events) > most_events:
        wrong.append(
            ValidationMessage("events", f"A request holds at most {most_events:,} events.", _CODES["batch_too_large"])
        )
    for index in range(min(len(request.events), most_events)):
        try:
            reader.read(request, index, arrival)
        except ClientError as error:
            wrong.append(_message(error, f"events[{index}]"))
    return ValidationAnswer(wrong)


def _message(error: ClientError, where: str) -> ValidationMessage:
    path = ".".join(part for part in (where, error.field) if part)
    return ValidationMessage(path, error.message, _CODES.get(error.code, _ANY_OTHER))
