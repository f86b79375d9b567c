"""Log to model: cutoffs, labels, split, tune, fit, calibrate, evaluate, register; and the simulator."""
