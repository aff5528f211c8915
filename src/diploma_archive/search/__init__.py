"""Finds and shows what is archived."""
