"""A simulated world with planted blockers: ground truth for tests, and the demo's default input."""

from training.simulator.simulate import SimulationError, simulate

__all__ = ["SimulationError", "simulate"]
