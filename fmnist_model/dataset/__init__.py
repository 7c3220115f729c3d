"""Fashion-MNIST: where it comes from, how its files are read, how it is split."""
