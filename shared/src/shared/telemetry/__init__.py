"""Logs, metrics, the admin port and the expiry of certificates."""
