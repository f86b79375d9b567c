"""Off-policy evaluation: what a policy would bring, from decisions that another one made at known odds."""
