"""Declarations: one file per journey. What a customer edits."""
