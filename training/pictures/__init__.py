"""The analyst's pictures of a model: how well it predicts, how far it can be trusted, and what it looks at."""
