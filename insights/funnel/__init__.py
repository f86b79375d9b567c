"""How many people take the steps of a funnel, in which order, how fast, and where they stop."""
