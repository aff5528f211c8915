"""Everything that knows the bucket's layout (DESIGN.md section 5) and how it is written (section 6)."""
