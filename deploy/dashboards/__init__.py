"""The dashboards as declarations: what Grafana shows of the metrics."""
