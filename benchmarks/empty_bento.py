"""An empty service with BentoML's own defaults, which `python -m benchmarks load` compares with."""

import bentoml


@bentoml.service
class Empty:
    """One route that does nothing."""

    @bentoml.api  # type: ignore[untyped-decorator]
    def empty(self) -> dict[str, str]:
        """Do nothing."""
        return {}
