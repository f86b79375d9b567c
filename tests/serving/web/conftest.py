"""A service and a site of test pages, each at an address of its own, and a browser that visits them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from browsers import chromium
from playwright.sync_api import Browser, BrowserContext
from web_visits import LiveService, OpenVisit, Site, Visit

from decisions.risk import RiskModel
from journeys.journey import Journey


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, shop: Journey, shop_model: RiskModel) -> Iterator[LiveService]:
    # Without chance: what is best is always recommended, to everybody.
    certain = replace(shop, policy=replace(shop.policy, exploration=0.0, holdout=0.0))
    service = LiveService(tmp_path_factory.mktemp("live"), certain, shop_model)
    service.start()
    yield service
    service.close()


@pytest.fixture
def visiting(browser: Browser, site: Site, live: LiveService) -> Iterator[OpenVisit]:
    """Open a browser of a visitor of its own; arguments are those of a browser context."""
    opened: list[BrowserContext] = []

    def opening(**arguments: Any) -> Visit:
        opened.append(browser.new_context(**arguments))
        return Visit(site, live, opened[-1])

    yield opening
    for context in opened:
        context.close()
    site.clear()
    live.delays.clear()


@pytest.fixture
def visit(visiting: OpenVisit) -> Visit:
    return visiting()
