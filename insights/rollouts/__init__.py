"""Rollouts: a new version of the policy on its way to those whom it is to decide about, and back."""
