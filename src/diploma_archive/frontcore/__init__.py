"""Everything that knows FrontCore's API: FRONTCORE.md has the facts, DESIGN.md sections 4, 8 and 9 the rules."""
