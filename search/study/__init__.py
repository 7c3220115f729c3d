"""A study and its trials: what is kept of them, which are lost, and how they leave."""
