"""Benchmarks of randla for asv, one module for each stem."""
