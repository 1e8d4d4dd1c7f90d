"""Core ML ML Program (.mlpackage) → ONNX hub.

``program_to_graph`` (in ``program.py``) walks the operations of a function; each family of operations is a
file here, listed in ``FAMILIES`` of ``registry.py``. To add an operation, write its converter in the file
of its family::

    @converts("threshold")                # the operation's type in MIL; several may share a function
    def convert_threshold(context: MilContext) -> None:
        \"\"\"max(x, α).\"\"\"
        x = context.value("x")            # a tensor input as graph value; a constant becomes an initializer
        alpha = context.const("alpha")    # a constant input: int, float, bool, str or array
        context.output(context.op("Max", x, context.like(alpha, x)))   # checked against the declared type

What a converter has (``context.py``):

- inputs: ``value``, ``optional`` (None if not given), ``values`` (several tensors, as of ``concat``),
  ``has``;
- constants: ``const(name, default)``, ``ints(name, default)``, ``axes(name, rank)``, ``is_const``, and
  ``stored`` in the type of the file (codes of compressed weights);
- shapes: ``shape``, ``static_shape``, ``rank``, ``axis``;
- nodes: ``op(onnx_type, *inputs, **attributes)``, ``constant``, ``like``, ``cast``, ``builder`` for more
  outputs;
- results: ``output(value or array, index)``; ``output_bound`` for what is no tensor (a list), found by
  ``bound``;
- ``declared(index)``: the type that the program states.

Everything floating is float32, every integer int64, bool is bool (see ``context.py``). A graph is made for
one combination of input shapes, and nodes of small constants are folded, so sizes are known unless they
depend on data. Blocks of branches and loops: ``inner_block`` and ``convert_inner`` in ``blocks.py``.
"""
