"""Alembic's migrations, packaged so that they run without a checkout."""
