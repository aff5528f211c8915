"""Erases, and says what is older than its period (docs/data-protection.md)."""
