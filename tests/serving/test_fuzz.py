"""A short run of the fuzz program, and that it would notice a failure."""

import asyncio
from itertools import islice
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from benchmarks.fuzz import PAYLOADS, Failure, cases, run, send


def test_damaged_payloads_are_kept_or_refused(model_home: Path) -> None:
    found = run(model_home, 400, seed=5)
    statuses = sum((counted for counted in found.statuses.values()), start=type(next(iter(found.statuses.values())))())
    assert statuses.total() == 400
    assert {200, 204, 400, 415, 422} <= statuses.keys()
    assert found.events > 50


def test_a_case_depends_on_the_seed_and_its_number_only() -> None:
    first = list(cases(60, 1))
    assert first == list(islice(cases(100, 1), 60))
    assert first != list(cases(60, 2))
    assert len({case.address.partition("?")[0] for case in first}) > len(PAYLOADS)


async def _fail(_: Request) -> Response:
    raise KeyError("member")


async def _answer_badly(_: Request) -> Response:
    return JSONResponse({"detail": "no"}, 422)


async def _break_down(_: Request) -> Response:
    return JSONResponse({"error": {}}, 500)


@pytest.mark.parametrize("endpoint", [_fail, _answer_badly, _break_down])
def test_what_is_neither_kept_nor_refused_ends_the_run(endpoint: object) -> None:
    app = Starlette(routes=[Route("/{rest:path}", endpoint, methods=["GET", "POST"])])  # type: ignore[arg-type]
    with pytest.raises(Failure, match="Case"):
        asyncio.run(send(app, list(cases(3, 1))))
