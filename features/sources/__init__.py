"""The schemas of logs that can be read, each as data over DuckDB expressions."""
