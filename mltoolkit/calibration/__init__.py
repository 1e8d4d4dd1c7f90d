"""Quantization against calibration data: codes that change a layer's outputs least, and bits where they matter."""
