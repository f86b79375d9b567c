"""The page at ``/``: what is served, with which model, and where to look further."""

from html import escape

from serving.runtime import Runtime

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>dropoff: {title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 44rem; padding: 0 1rem; color: #222 }}
h1 {{ font-size: 1.5rem; margin-bottom: 0 }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.5rem }}
dt {{ color: #666 }} dd {{ margin: 0 }}
code {{ background: #f2f2f2; padding: .1rem .3rem; border-radius: .2rem }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{description}</p>
<dl>
<dt>Journey</dt><dd>{name}</dd>
<dt>Stages</dt><dd>{stages}</dd>
<dt>Model</dt><dd>{version}</dd>
<dt>Sessions in memory that are still open</dt><dd>{open_sessions}</dd>
</dl>
<p>Events go to <code>POST /v1/track</code> or <code>POST /v1/batch</code> in Segment's format;
<code>POST /v1/recommend</code> says what stands in a session's way and what to do about it.</p>
<ul>
<li><a href="/docs.json">/docs.json</a>: every route, as OpenAPI</li>
<li><a href="/metrics">/metrics</a>: counts and times, for Prometheus</li>
<li><a href="/readyz">/readyz</a>: whether the service is ready</li>
</ul>
</body>
</html>
"""


def render_page(runtime: Runtime) -> str:
    """Return the page as HTML that loads nothing from elsewhere."""
    journey = runtime.journey
    return _PAGE.format(
        title=escape(journey.title),
        description=escape(journey.description),
        name=escape(journey.name),
        stages=escape(", ".join(stage.name for stage in journey.stages)),
        version=escape(runtime.model_version),
        open_sessions=runtime.sessions.open_sessions(runtime.now_us()),
    )
