"""How the archive is checked: what lies there, what records and run reports say of it, and what does not fit."""
