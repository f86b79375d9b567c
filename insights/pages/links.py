"""Where the pages' links lead: addresses of a service, or places within one file."""

from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlencode, urlsplit

from insights.filters import Filters


class Links(Protocol):
    """How a page is linked to."""

    def page(self, target: str) -> str:
        """Return the address of ``SLUG``, ``SLUG#FIGURE`` or ``SLUG?choice=value``, with the filters kept.

        Empty for a page that there is not, which makes no link.
        """
        ...

    def download(self, slug: str, figure: str) -> str:
        """Return the address of a figure's table as CSV; empty where the table itself has to be given."""
        ...


@dataclass(frozen=True, slots=True)
class ServiceLinks:
    """Addresses of the service; the first of the pages ``slugs`` answers at ``/``; ``query`` are a page's choices."""

    slugs: tuple[str, ...]
    filters: Filters
    query: tuple[tuple[str, str], ...] = ()

    def page(self, target: str) -> str:
        """Return an address such as ``/funnel?since=2026-06-01#exits``."""
        parts = urlsplit(target)
        if parts.path not in self.slugs:
            return ""
        path = "/" if parts.path == self.slugs[0] else f"/{parts.path}"
        query = "&".join(part for part in (self.filters.to_query(), parts.query) if part)
        return path + (f"?{query}" if query else "") + (f"#{parts.fragment}" if parts.fragment else "")

    def download(self, slug: str, figure: str) -> str:
        """Return an address such as ``/funnel/exits.csv?since=2026-06-01``."""
        query = "&".join(part for part in (self.filters.to_query(), urlencode(self.query)) if part)
        return f"/{slug}/{figure}.csv" + (f"?{query}" if query else "")


@dataclass(frozen=True, slots=True)
class ReportLinks:
    """Places within one file; choices lead to their page, since a file cannot look anything up."""

    slugs: tuple[str, ...]

    def page(self, target: str) -> str:
        """Return a place such as ``#funnel--exits``."""
        parts = urlsplit(target)
        if parts.path not in self.slugs:
            return ""
        return f"#{parts.path}--{parts.fragment}" if parts.fragment else f"#{parts.path}"

    def download(self, slug: str, figure: str) -> str:  # noqa: ARG002 (the tables are within the file)
        """Return nothing: the table is a download within the file."""
        return ""
