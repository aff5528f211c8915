"""Checks that the archive is whole and unaltered, and renews its index."""
