"""From the hub to Core ML: ONNX nodes as MIL operations, which coremltools writes in either format."""
