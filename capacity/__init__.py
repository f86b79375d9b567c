"""WHAT IT TAKES: measured costs -> the machines that so many sessions a day need, and a simulation of serving them."""
