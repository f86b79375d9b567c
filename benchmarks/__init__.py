"""Measurements behind the figures in the README and the docs; each module runs alone, `make bench` runs all."""
