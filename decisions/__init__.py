"""What to do: risk, diagnosis, eligibility, policy, and the scorer that joins them."""
