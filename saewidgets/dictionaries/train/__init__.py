"""Training dictionaries from stored activations."""
