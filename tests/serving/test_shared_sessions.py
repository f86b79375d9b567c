"""Stores of several processes on one log: together they know what one alone would know."""
