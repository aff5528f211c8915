"""Finds and shows what is archived: by few requests, or by a catalogue that is built from the bucket alone."""
