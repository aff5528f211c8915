"""Hands the archive over, or a part of it, as a BagIt bag, and brings it back."""
