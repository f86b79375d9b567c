"""The picture of one recommendation in docs/observability.md: what it is made of, in time.

    python -m benchmarks.trace_picture ecommerce --home .dropoff --out docs/pictures/trace.png

A service in this process, on a SQLite file of its own, answers for visitors of a dozen events each; one of
its fast traces is drawn, which nothing else on the machine has held up.
"""

import argparse
import asyncio
import random
import tempfile
from dataclasses import replace
from pathlib import Path

import httpx

from benchmarks.serving import first_events
from serving.app import attach, create_app
from serving.configuration import Configuration
from serving.observe import Observed, Observer
from serving.runtime import Runtime
from serving.spans import Kind, Span, Trace
from serving.start import start

_VISITORS = 200
# Statements are traced where traces are sent; what is traced here stays here, and nobody is asked.
_NOWHERE = "http://127.0.0.1:9"


def quick_trace(journey: str, home: Path) -> Trace:
    """Return the trace of a recommendation that nothing else on the machine has held up, once the service is warm."""
    with tempfile.TemporaryDirectory(prefix="dropoff-bench-") as folder:
        configuration = Configuration(journey=journey, home=home, traces_url=_NOWHERE)
        runtime = start(replace(configuration, database_url=f"sqlite:///{folder}/trace.db"))
        try:
            traces = asyncio.run(_recommend(runtime))
        finally:
            runtime.close()
    # Those that go all the way to an explanation and a choice.
    explained = [trace for trace in traces if any(span.name == "explain" for span in trace.spans)]
    explained.sort(key=lambda trace: trace.spans[-1].end_ns - trace.spans[-1].start_ns)
    return explained[len(explained) // 10]


def draw(trace: Trace, out: Path) -> None:
    """Write the picture of a trace: a bar for each span, below the one that it belongs to."""
    from matplotlib.patches import Patch

    from training.pictures.canvas import BLUE, GREEN, ORANGE, entitle, panels, save, style

    colours = {Kind.SERVER: BLUE, Kind.OWN: GREEN, Kind.CLIENT: ORANGE}
    rows = _nested(trace)
    root = rows[0][1]
    length_us = (root.end_ns - root.start_ns) / 1e3
    longest = max((span for depth, span in rows if depth == 1), key=lambda span: span.end_ns - span.start_ns)
    share = (longest.end_ns - longest.start_ns) / (root.end_ns - root.start_ns)
    with style():
        figure, [axes] = panels(1, 0.3 * len(rows) + 1.6)
        for row, (_, span) in enumerate(rows):
            begins_us, took_us = (span.start_ns - root.start_ns) / 1e3, (span.end_ns - span.start_ns) / 1e3
            axes.barh(row, took_us, left=begins_us, height=0.7, color=colours[span.kind])
            axes.text(begins_us + took_us + length_us * 0.006, row, f"{took_us:,.0f}", va="center", fontsize=9)
        axes.set_yticks(range(len(rows)), [f"{'    ' * depth}{span.name}" for depth, span in rows])
        for label in axes.get_yticklabels():
            label.set_horizontalalignment("left")
        axes.tick_params(axis="y", length=0, pad=190)
        axes.grid(visible=False, axis="y")
        axes.invert_yaxis()
        axes.set_xlim(0, length_us * 1.06)
        axes.set_xlabel("microseconds since the request came")
        axes.spines["left"].set_visible(False)
        meanings = {Kind.SERVER: "the request", Kind.OWN: "steps of this process", Kind.CLIENT: "the database"}
        handles = [Patch(color=colours[kind], label=meaning) for kind, meaning in meanings.items()]
        axes.legend(handles=handles, loc="lower left")
        entitle(
            figure,
            f"Of {length_us / 1e3:.1f} ms of a recommendation the step {longest.name!r} takes {share:.0%}",
            f"One trace: {len(rows)} spans of one worker on SQLite, each below the one that it belongs to.",
        )
        save(figure, out)


async def _recommend(runtime: Runtime) -> list[Trace]:
    app = create_app()
    attach(app, runtime)
    traces: list[Trace] = []
    observer = Observer(traces.append, sampled=1.0)
    transport = httpx.ASGITransport(Observed(app, lambda: observer))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        visitors = [f"bench-{number}" for number in range(_VISITORS)]
        for visitor in visitors:
            events = first_events(runtime.journey, visitor, random.Random(visitor))
            (await client.post("/v1/batch", json=events)).raise_for_status()
        traces.clear()
        for visitor in visitors:
            (await client.post("/v1/recommend", json={"visitor_id": visitor})).raise_for_status()
    return traces[_VISITORS // 4 :]


def _nested(trace: Trace) -> list[tuple[int, Span]]:
    """Return the spans, each right after the one that it belongs to, with how deep they lie."""
    found: list[tuple[int, Span]] = []

    def add(span: Span, depth: int) -> None:
        found.append((depth, span))
        within = (one for one in trace.spans if one.parent_id == span.span_id)
        for one in sorted(within, key=lambda one: one.start_ns):
            add(one, depth + 1)

    add(next(span for span in trace.spans if span.span_id == trace.span_id), 0)
    return found


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("journey")
    parser.add_argument("--home", type=Path, default=Path(".dropoff"))
    parser.add_argument("--out", type=Path, default=Path("docs/pictures/trace.png"))
    given = parser.parse_args()
    draw(quick_trace(given.journey, given.home), given.out)


if __name__ == "__main__":
    main()
