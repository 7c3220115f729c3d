"""In the place of training: workers and studies whose runs cost next to nothing."""
