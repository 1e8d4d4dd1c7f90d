"""Swift for the custom layers of a model: a package for Xcode whose tests hold what Python computes."""
