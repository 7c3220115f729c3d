"""The final evaluation: retrain a configuration, open the test set once, use the saved model."""
