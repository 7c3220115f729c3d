"""The competitors as people use them, and this toolkit, all asked the same question."""
