"""From measured figures to a plan for a fleet; see docs/explanation/scaling.md."""
