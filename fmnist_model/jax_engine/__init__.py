"""The JAX engine: many trials side by side in one device program."""
