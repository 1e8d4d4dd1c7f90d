"""From ONNX files of any version to the hub."""
