"""Many sessions as funnels, baselines, channel credit, opportunities and stories; ``pages`` renders them."""
