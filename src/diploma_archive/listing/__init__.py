"""What is asked of FrontCore for a run, with the fewest requests."""
