"""Clients that `python -m benchmarks.run_clients` measures: each a program that prints its figures as JSON."""
