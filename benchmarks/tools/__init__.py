"""What measures, keeps and shows: for the benchmarks to share."""
