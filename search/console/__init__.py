"""What a person sees of a search on the terminal."""
