"""Helpers for several test folders: harnesses, clients, and waiting for conditions."""
