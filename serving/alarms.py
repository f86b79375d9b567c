"""Look for alarms whenever the figures of the pages have been made anew."""

import logging

from insights.alarms import watch
from insights.facts import Facts
from insights.webhook import Webhook
from serving.runtime import Runtime
from serving.spans import outgoing

_LOG = logging.getLogger("dropoff.serving")


def watch_for_alarms(runtime: Runtime, facts: Facts) -> None:
    """Keep new alarms and send them where the configuration says."""
    configuration = runtime.configuration
    with runtime.observer.errand("alarms"):
        webhook = None
        if configuration.webhook:
            webhook = Webhook(configuration.webhook, configuration.webhook_secret, headers=outgoing())
        seen = watch(facts, runtime.journey, runtime.engine, now_us=runtime.now_us(), webhook=webhook)
    if seen.new:
        _LOG.warning("New alarms about exit rates: %d; the page /alerts tells them", len(seen.new))
    for mistake in seen.unsent:
        _LOG.warning("An alarm was not sent: %s", mistake)
