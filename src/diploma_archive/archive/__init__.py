"""One archive as runs and commands see it: its layout in the bucket and the order of writes (DESIGN.md section 5)."""
