"""The playbook: which intervention is known to work against which blocker, how well, and what is to be tested again."""
