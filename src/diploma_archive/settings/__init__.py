"""The settings of DESIGN.md section 10: read, checked once, and handed on."""
