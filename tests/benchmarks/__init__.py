"""Benchmarks: ratios against a baseline that is measured in the same run. `make bench`, or docs/benchmarks.md."""
