"""Full learning curves of random configurations: the table on which searches are replayed."""
