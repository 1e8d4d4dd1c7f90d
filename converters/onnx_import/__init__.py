"""From ONNX files of any opset to the hub.

``import_onnx`` (importer.py) reads a file, checks it and walks its nodes (walk.py). Each node is emitted anew in the
hub's opset: as it is where its definition has not changed, else by an adapter (``@adapts`` in the files that
``FAMILIES`` of registry.py lists), else, where ONNX defines it as a function, by its expansion (functions.py).
"""
