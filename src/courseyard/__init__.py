"""Courseyard: a learning-content server on your own PostgreSQL."""

__version__ = "0.1.0"
