"""Logs, metrics, traces, the admin port and the expiry of certificates."""
