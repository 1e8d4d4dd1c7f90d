"""The hub: the one internal graph, ONNX in memory (`onnx_ir`), with what a caller needs to know about it."""
