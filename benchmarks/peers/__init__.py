"""What people use, as they use it, and ours beside it on the same question."""
