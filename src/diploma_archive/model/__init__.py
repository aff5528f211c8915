"""Pure values and rules: what a diploma, a key, a record, a revision and an outcome are. No I/O and no clock."""
