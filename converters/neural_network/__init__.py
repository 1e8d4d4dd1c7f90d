"""Core ML NeuralNetwork (.mlmodel) → ONNX hub.

``network_to_graph`` (in ``network.py``) walks the layers; each op family registers its layer converters with
``@converts`` (``registry.py``). To add a layer: write a function ``(context, layer)`` in the file of its family.
"""
