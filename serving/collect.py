"""Requests of other protocols than Segment's: read, kept, and answered as their clients expect."""

import asyncio
import base64
import binascii
from collections.abc import Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from features.events import Event
from serving.admission import read_admitted
from serving.credentials import QUERY_NAMES
from serving.decoding import decode
from serving.errors import ClientError
from serving.ga4 import Measurement, MeasurementReader, user_of, visitor_of
from serving.ga4_validation import ValidationAnswer, validate
from serving.ingest import Refused, arrival, keep_event
from serving.keep_each import keep_each, require_few
from serving.messages import BatchAnswer
from serving.runtime import Runtime
from serving.segment import MessageType
from serving.snowplow import PACKED_FIELDS, VISITOR_FIELDS, PayloadData, SnowplowReader, sent_at_us

GIF = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00," + (
    b"\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)
"""One transparent pixel."""
_ANSWERED = (400, 401, 403, 408, 410, 422, 429, 503)

Fields = Mapping[str, str]


async def collect_snowplow(runtime: Runtime, request: Request) -> BatchAnswer:
    """Keep the events of ``POST /com.snowplowanalytics.snowplow/tp2``.

    Raises ClientError with a status that a tracker gives up at, or is to try again after: what is answered with 404,
    413 or 415 it would send for ever.
    """
    try:
        payloads = decode(await read_admitted(runtime, request), PayloadData).data
        require_few(len(payloads), runtime.configuration.max_batch_events, "data")
        reader = _snowplow_reader(runtime)
        return await _keep_payloads(runtime, reader, [_fields_or_mistake(reader, raw) for raw in payloads], request)
    except ClientError as error:
        if error.status in _ANSWERED:
            raise
        raise ClientError(422, error.code, error.message, error.field) from error


async def collect_pixel(runtime: Runtime, request: Request) -> Response:
    """Keep the event of ``GET /i`` and return an image of one pixel; raises ClientError."""
    if request.method == "GET":
        # HEAD asks what would be answered: nothing has happened.
        fields = {name: value for name, value in request.query_params.items() if value and name not in QUERY_NAMES}
        await _keep_payloads(runtime, _snowplow_reader(runtime), [fields], request)
    return _pixel()


async def collect_segment_pixel(runtime: Runtime, request: Request) -> Response:
    """Keep the call of ``GET /v1/pixel/CALL?data=BASE64`` and return an image of one pixel; raises ClientError."""
    call = request.path_params["call"]
    if call not in tuple(MessageType):
        raise ClientError(404, "no_such_address", f"There is no pixel of this name, but {', '.join(MessageType)}.")
    if request.method == "GET":
        said = request.query_params.get("data", "")
        try:
            content = base64.b64decode(said.replace("-", "+").replace("_", "/") + "=" * (-len(said) % 4))
        except (binascii.Error, ValueError) as error:
            raise ClientError(422, "invalid_field", "data is not base64.", "data") from error
        await keep_event(runtime, runtime.reader.read(content, MessageType(call), arrival(runtime)))
    return _pixel()


async def collect_measurement(runtime: Runtime, request: Request) -> Response:
    """Keep the events of ``POST /mp/collect`` and return nothing, with 204; raises ClientError."""
    said = decode(await read_admitted(runtime, request), Measurement)
    require_few(len(said.events), runtime.configuration.max_batch_events, "events")
    came, reader = arrival(runtime), _measurement_reader(runtime)
    visitor_id = visitor_of(said)

    def read(index: int) -> Event:
        return reader.read(said, index, came)

    def refuse(index: int, error: ClientError) -> Refused:
        return Refused(error.message, bytes(said.events[index]).decode(errors="replace"), visitor_id, user_of(said))

    await keep_each(runtime, range(len(said.events)), read, refuse)
    return Response(status_code=204)


async def validate_measurement(runtime: Runtime, request: Request) -> ValidationAnswer:
    """Return what is wrong with the request of ``POST /debug/mp/collect``, of which nothing is kept."""
    body = await read_admitted(runtime, request)
    most = runtime.configuration.max_batch_events
    return await asyncio.to_thread(validate, body, _measurement_reader(runtime), arrival(runtime), most)


def _pixel() -> Response:
    return Response(GIF, media_type="image/gif", headers={"Cache-Control": "no-cache, no-store, must-revalidate"})


async def _keep_payloads(
    runtime: Runtime, reader: SnowplowReader, payloads: list[Fields | ClientError], request: Request
) -> BatchAnswer:
    came, agent = arrival(runtime), request.headers.get("user-agent")
    sent_us = sent_at_us(fields for fields in payloads if not isinstance(fields, ClientError))

    def read(fields: Fields | ClientError) -> Event:
        if isinstance(fields, ClientError):
            raise fields
        return reader.read(fields, came, sent_us, agent)

    def refuse(fields: Fields | ClientError, error: ClientError) -> Refused:
        if isinstance(fields, ClientError):
            return Refused(error.message, "{}")
        # What is packed in base64 cannot be searched for contact details, which must not be kept.
        shown = {name: value for name, value in fields.items() if name not in PACKED_FIELDS}
        visitor_id = next((fields[name] for name in VISITOR_FIELDS if name in fields), None)
        return Refused(error.message, msgspec.json.encode(shown).decode(), visitor_id, fields.get("uid"))

    return await keep_each(runtime, payloads, read, refuse, ordered=sent_us is not None)


def _fields_or_mistake(reader: SnowplowReader, raw: msgspec.Raw) -> Fields | ClientError:
    try:
        return reader.fields_of(raw)
    except ClientError as error:
        return error


def _snowplow_reader(runtime: Runtime) -> SnowplowReader:
    journey = runtime.journey
    return SnowplowReader(journey.names, journey.property_names, runtime.configuration.max_event_bytes)


def _measurement_reader(runtime: Runtime) -> MeasurementReader:
    journey = runtime.journey
    return MeasurementReader(journey.names, journey.property_names, runtime.configuration.max_event_bytes)
