"""Looks at everything before the first run."""
