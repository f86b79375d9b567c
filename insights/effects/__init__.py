"""What each intervention does about each blocker, measured on decisions that chance made."""
