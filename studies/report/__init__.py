"""The report of a study: what it found, what to do next, and how the winner was judged."""
