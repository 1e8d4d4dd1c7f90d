"""From the hub to ONNX files."""
