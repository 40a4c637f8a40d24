"""Benchmarks: `make bench` prints one table and writes it as JSON."""
