"""Full learning curves of random configurations: the table that searches are replayed on."""
