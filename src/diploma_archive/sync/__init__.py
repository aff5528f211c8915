"""Archives diplomas: a run, from the selection to its report."""
