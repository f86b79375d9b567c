"""Pacing: where interest rises and fades inside a journey, where people hesitate, and when to nudge."""
