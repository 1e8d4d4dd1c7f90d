"""The version of ONNX that the hub is written in."""

# The newest that onnxruntime 1.21, the oldest release supported here, runs completely.
OPSET = 21
