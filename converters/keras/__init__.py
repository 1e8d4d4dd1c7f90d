"""From Keras 3 to the hub: a walk over the layers, one file a family."""
