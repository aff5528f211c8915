"""Everything that knows S3: reading, create-only writes, errors in plain words (DESIGN.md section 6)."""
