"""The index of records on the operator's machine: a SQLite file that is never the truth."""
