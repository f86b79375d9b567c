"""Which channels people came by before they got further: touch paths, and each model's credit for what they reached."""
