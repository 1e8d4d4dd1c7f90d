"""PyTorch and TensorFlow models, which coremltools' own converters take."""
