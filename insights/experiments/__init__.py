"""Experiments: how large they have to be, and what came of them."""
