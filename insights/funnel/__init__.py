"""How many people take the steps of a funnel, in which order, how fast, and where they stop.

>>> from insights.funnel import declare
>>> [step.text for step in declare("view,add|buy_now,pay", window="30m").steps]
['view', 'add|buy_now', 'pay']
"""

from insights.funnel.declare import Funnel, declare
from insights.funnel.measure import measure_funnel
from insights.funnel.result import FunnelResult
from insights.funnel.steps import FunnelError

__all__ = ["Funnel", "FunnelError", "FunnelResult", "declare", "measure_funnel"]
