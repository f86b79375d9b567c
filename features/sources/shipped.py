"""The sources that ship, and how one is found."""

from pathlib import Path

from features.source import CANONICAL, Source, SourceError
from features.sources.ga4 import GA4
from features.sources.loan_log import LOAN_LOG
from features.sources.mapping import read_mapping
from features.sources.posthog import POSTHOG
from features.sources.segment import RUDDERSTACK, SEGMENT
from features.sources.snowplow import SNOWPLOW

SHIPPED = (CANONICAL, LOAN_LOG, SEGMENT, RUDDERSTACK, GA4, SNOWPLOW, POSTHOG)


def named(name_or_path: str) -> Source:
    """Return a shipped source by name, or the mapping in a TOML file; raises :class:`SourceError`."""
    for source in SHIPPED:
        if source.name == name_or_path:
            return source
    path = Path(name_or_path)
    if path.suffix != ".toml":
        known = ", ".join(source.name for source in SHIPPED)
        raise SourceError(f"no source is named {name_or_path!r}; use one of {known}, or the path of a .toml mapping")
    return read_mapping(path)
