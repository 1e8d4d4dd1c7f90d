"""Swift classes that are still to be written: they compile, keep their parameters, and throw where work is missing."""

from __future__ import annotations

from collections.abc import Mapping

from mltoolkit.custom_layers.protocol import ParameterValue
from mltoolkit.swift_package.model_layers import CustomModelClass, ModelLayer
from mltoolkit.swift_package.swift_text import comment, identifier, literal

_HEADER = """import CoreML
import Foundation
{imports}
/// {about}
#if canImport(ObjectiveC)
@objc({class_name})
#endif
final class {swift_name}: NSObject, {protocol} {{
"""


def layer_stub(layer: ModelLayer) -> str:
    """The source of a custom layer's class.

    Its parameters are read and checked, its weights become arrays of numbers, and ``outputShapes`` survives the zeros
    that Core ML asks with; ``evaluate`` throws ``LayerTodo``.
    """
    name = identifier(layer.class_name)
    fields, reads = _fields(layer.parameters, layer.class_name)
    return (
        _HEADER.format(
            imports="import Metal\n",
            about=comment(layer.description or f"The custom layer {layer.class_name}."),
            class_name=layer.class_name if name == layer.class_name else name,
            swift_name=name,
            protocol="MLCustomLayer",
        )
        + fields
        + f"""    /// As the file orders them{_weight_sizes(layer)}.
    private var weights: [[Float]] = []

    required init(parameters: [String: Any]) throws {{
        let parameters = LayerParameters(layer: {literal(layer.class_name)}, values: parameters)
{reads}        super.init()
    }}

    func setWeightData(_ weights: [Data]) throws {{
        self.weights = try weights.map {{ try layerWeight($0, layer: {literal(layer.class_name)}) }}
    }}

    func outputShapes(forInputShapes inputShapes: [[NSNumber]]) throws -> [[NSNumber]] {{
        // Core ML also asks with sizes of zero while it loads a model: answer without throwing.
        if inputShapes.contains(where: {{ $0.contains(0) }}) {{
            return [[NSNumber]](repeating: inputShapes[0], count: {layer.outputs})
        }}
        // TODO: the shapes of the {layer.outputs} outputs.
        throw LayerTodo(description: "outputShapes of {name} is still to be written")
    }}

    func evaluate(inputs: [MLMultiArray], outputs: [MLMultiArray]) throws {{
        // TODO: for each output compute a LayerTensor and store it:
        //     let x = try inputs[0].layerTensor(Float.self)
        //     try outputs[0].store(LayerTensor(shape: x.shape, values: x.values.map {{ $0 }}))
        throw LayerTodo(description: "evaluate of {name} is still to be written")
    }}
}}
"""
    )


def model_stub(model: CustomModelClass) -> str:
    """The source of a custom model's class."""
    name = identifier(model.class_name)
    fields, reads = _fields(model.parameters, model.class_name)
    outputs = "\n".join(f"        //     {literal(output)}: MLFeatureValue(…)," for output in model.outputs)
    return (
        _HEADER.format(
            imports="",
            about=comment(model.description or f"The custom model {model.class_name}."),
            class_name=name,
            swift_name=name,
            protocol="MLCustomModel",
        )
        + fields
        + f"""    private let modelDescription: MLModelDescription

    required init(modelDescription: MLModelDescription, parameters: [String: Any]) throws {{
        let parameters = LayerParameters(layer: {literal(model.class_name)}, values: parameters)
{reads}        self.modelDescription = modelDescription
        super.init()
    }}

    func prediction(from input: MLFeatureProvider, options: MLPredictionOptions) throws -> MLFeatureProvider {{
        // TODO: return MLDictionaryFeatureProvider(dictionary: [
{outputs}
        // ])
        throw LayerTodo(description: "prediction of {name} is still to be written")
    }}
}}
"""
    )


def _weight_sizes(layer: ModelLayer) -> str:
    sizes = ", ".join(str(len(weight)) for weight in layer.weights)
    return f"; in this model they hold {sizes} numbers" if sizes else ""


def _fields(parameters: Mapping[str, ParameterValue], class_name: str) -> tuple[str, str]:
    """Declarations of stored parameters, and the lines of ``init`` that read them."""
    fields, reads = "", ""
    taken = {"weights", "parameters", "modelDescription"}
    for name, value in sorted(parameters.items()):
        field = identifier(name)
        while field in taken:
            field += "_"
        taken.add(field)
        key, where = literal(name), literal(f"{class_name} lacks the parameter {name}")
        missing = f"guard let {field} = {{}} else {{{{ throw LayerError({where}) }}}}"
        if isinstance(value, bool):
            fields += f"    private let {field}: Bool\n"
            reads += f"        {field} = try parameters.flag({key}, default: {str(value).lower()})\n"
        elif isinstance(value, (int, float)):
            kind = "Int" if isinstance(value, int) else "Double"
            fields += f"    private let {field}: {kind}\n"
            reads += f"        {missing.format(f'try parameters.number({key})')}\n"
            reads += f"        self.{field} = {kind}({field})\n"
        else:
            fields += f"    private let {field}: String\n"
            reads += f"        {missing.format(f'parameters.values[{key}] as? String')}\n"
            reads += f"        self.{field} = {field}\n"
    return fields, reads
