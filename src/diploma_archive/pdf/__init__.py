"""Is this a whole diploma file? Asked in a process of its own (DESIGN.md section 7)."""
