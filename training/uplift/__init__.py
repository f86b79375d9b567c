"""Boosted models of what an option brings to whom, and their choice by held-out doubly-robust value."""
