"""Compares what FrontCore has with what the archive holds."""
