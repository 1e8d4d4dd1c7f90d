"""What cannot be converted, collected over a whole model, with a hook to paste for each kind of layer."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass

from mltoolkit.errors import UnsupportedLayersError

# Layers of one class that are named in the message; the error's `layers` holds all.
_NAMES_SHOWN = 5


@dataclass(frozen=True)
class UnsupportedLayer:
    """A layer that no conversion knows.

    Attributes:
        name: the layer's (node's) name in the source.
        class_name: Keras class, ONNX operator, Core ML layer type.
        domain: domain of an ONNX operator, "" for ONNX's own and for other sources.
        reason: why it cannot be converted, without the final stop.
        closest: the closest form that can be, "" when there is none.
    """

    name: str
    class_name: str
    domain: str
    reason: str
    closest: str = ""


class UnsupportedLayers:
    """Collects the layers that cannot be converted, so that all of a model are reported at once."""

    def __init__(self) -> None:
        self._layers: list[UnsupportedLayer] = []

    def add(self, name: str, class_name: str, reason: str, closest: str = "", *, domain: str = "") -> None:
        """Note a layer; the arguments are the attributes of :class:`UnsupportedLayer`."""
        self._layers.append(UnsupportedLayer(name, class_name, domain, reason.rstrip("."), closest.rstrip(".")))

    @property
    def layers(self) -> tuple[UnsupportedLayer, ...]:
        """What has been noted."""
        return tuple(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def raise_if_any(self, where: str | None = None) -> None:
        """Report everything noted.

        Args:
            where: the model's name.

        Raises:
            UnsupportedLayersError: something was noted.
        """
        if self._layers:
            raise unsupported_error(self._layers, where)


def unsupported_error(
    layers: list[UnsupportedLayer], where: str | None = None, hint: str = ""
) -> UnsupportedLayersError:
    """The error that lists layers by class, with the reason, the closest supported form and hooks to paste.

    Args:
        layers: at least one.
        where: the model's name.
        hint: what else may help, one sentence with its stop.
    """
    by_kind: dict[tuple[str, str], list[UnsupportedLayer]] = {}
    for layer in layers:
        by_kind.setdefault((layer.domain, layer.class_name), []).append(layer)
    place = f" of {where}" if where else ""
    lines = [f"{len(layers)} layer{'s' * (len(layers) != 1)}{place} cannot be converted:"]
    for (domain, class_name), group in by_kind.items():
        lines.append(f"  {domain + '::' if domain else ''}{class_name}:")
        by_reason: dict[tuple[str, str], list[str]] = {}
        for layer in group:
            by_reason.setdefault((layer.reason, layer.closest), []).append(layer.name)
        for (reason, closest), names in by_reason.items():
            shown = ", ".join(map(repr, names[:_NAMES_SHOWN]))
            more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
            lines.append(f"    {shown}{more}: {reason}" + (f"; closest supported form: {closest}" if closest else ""))
    fix = (
        (hint + " " if hint else "")
        + "Change them, or say what they become:\n\n"
        + paste_ready_hooks(list(by_kind))
        + "\nA custom layer needs a class of that name on the device. Where ONNX operators can express the layer,"
        '\na hook may build it instead, which .mlpackage needs: return layer.builder.op("Relu", layer.inputs[0]).'
    )
    return UnsupportedLayersError("\n".join(lines), fix=fix, layers=layers)


def paste_ready_hooks(kinds: list[tuple[str, str]]) -> str:
    """Python source with a hook for each (domain, class name) and the dictionary ``custom_conversion_functions``."""
    functions, entries, taken = [], [], set()
    for domain, class_name in kinds:
        function, number = _function_name(class_name), 1
        while function in taken:
            number += 1
            function = f"{_function_name(class_name)}_{number}"
        taken.add(function)
        key = repr((domain, class_name)) if domain else repr(class_name)
        entries.append(f"    {key}: {function},\n")
        functions.append(
            f"def {function}(layer):\n"
            "    return mlt.CustomLayerDescription(\n"
            f"        class_name={class_name!r},\n"
            '        description="",\n'
            "        parameters=layer.parameters,\n"
            "        weights=layer.weights,\n"
            + ("        output_shapes=layer.likely_output_shapes,  # check them\n" if domain else "")
            + "    )\n"
        )
    return (
        "import mltoolkit as mlt\n\n"
        + "\n".join(functions)
        + "\ncustom_conversion_functions = {\n"
        + "".join(entries)
        + "}\n"
    )


def _function_name(class_name: str) -> str:
    """``convert_grid_sampler`` for ``GridSampler``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", class_name)
    name = "convert_" + re.sub(r"\W+", "_", words).strip("_").lower()
    return name if name.isidentifier() and not keyword.iskeyword(name) else "convert_layer"
