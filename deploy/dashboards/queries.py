"""Queries that panels have in common."""


def quantile(share: float, metric: str, by: str = "") -> str:
    """Return below what a share of the observations of a histogram are, for each value of a label."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({metric}[$__rate_interval])))"


def rate(metric: str, by: str = "") -> str:
    """Return how much a count rises a second, for each value of a label."""
    total = f"sum by ({by}) " if by else "sum"
    return f"{total}(rate({metric}[$__rate_interval]))"


def mean(metric: str, by: str) -> str:
    """Return the mean of a histogram's observations, for each value of a label."""
    return f"{rate(f'{metric}_sum', by)} / ({rate(f'{metric}_count', by)} > 0)"


def calibration(name: str) -> str:
    """Return what a sum about risks came to in the time that is shown, by bin, of sessions left alone."""
    return f'sum by (bin) (increase(dropoff_calibration_{name}_total{{shown="nothing"}}[$__range]))'
