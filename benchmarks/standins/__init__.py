"""Stand-ins for training: workers and studies whose runs cost next to nothing."""
