"""Backups: all that an installation keeps, as one file, whatever kind of database it is kept in."""
