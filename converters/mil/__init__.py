"""From the hub to Core ML: ONNX nodes as MIL operations, which coremltools' passes and serialisers write.

``write_core_ml`` (``write.py``) declares the interface (``interface.py``), walks the graph (``program.py``) and
completes what coremltools leaves out (``description.py``, ``neural_network.py``, ``custom.py``). One file an operator
family holds the writers, which ``@writes`` (``registry.py``) registers: to add an operator, write a function ``(node)``
that emits operations with ``node.mb``, or says with ``node.refuse`` why it cannot. Both formats come from the same
operations; a neural network has those of iOS 13 only (``node.is_network``).
"""
