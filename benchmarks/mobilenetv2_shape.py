"""A runnable MobileNetV2 as a Core ML spec: the real topology, 3.5 M seeded random weights.

    python benchmarks/mobilenetv2_shape.py mobilenetv2.mlmodel [--fold-batchnorm]

Sandler et al., "MobileNetV2" (arXiv 1801.04381), table 2, with ReLU6 spelt in four layers as in published
Core ML files.
"""

from __future__ import annotations

from typing import Any

from network_builder import NetworkBuilder, classifier_spec, write_command

# Expansion, output channels, repetitions, stride of the first.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
_LAST = 1280


def _inverted_residual(build: NetworkBuilder, name: str, blob: str, channels: tuple[int, int, int], stride: int) -> str:
    inputs, hidden, outputs = channels
    branch = blob
    if hidden != inputs:
        branch = build.convolution(f"{name}_expand", branch, (hidden, inputs, 1))
        branch = build.relu6(f"{name}_relu1", branch)
    branch = build.convolution(f"{name}_depthwise", branch, (hidden, hidden, 3), stride, groups=hidden)
    branch = build.relu6(f"{name}_relu2", branch)
    branch = build.convolution(f"{name}_project", branch, (outputs, hidden, 1))
    return build.add(f"{name}_add", [blob, branch]) if stride == 1 and inputs == outputs else branch


def mobilenetv2_spec(seed: int = 0, *, batchnorm: bool = True, image_size: int = 224, classes: int = 1000) -> Any:
    """A ``neuralNetworkClassifier`` of specification 1: ``image`` → ``classLabel``, ``classLabelProbs``.

    Args:
        seed: of the weights.
        batchnorm: False folds the batch normalisations into the convolutions (the same function).
        image_size: height and width of the RGB picture.
        classes: number of labels.
    """
    spec, network = classifier_spec(f"MobileNetV2 shape, random weights, seed {seed}", image_size, classes)
    build = NetworkBuilder(network, seed, batchnorm)
    blob = build.relu6("stem_relu", build.convolution("stem", "image", (32, 3, 3), 2))
    channels = 32
    for stage, (expansion, outputs, blocks, first_stride) in enumerate(STAGES, start=1):
        for block in range(blocks):
            sizes = (channels, channels * expansion, outputs)
            stride = first_stride if block == 0 else 1
            blob = _inverted_residual(build, f"stage{stage}_{block + 1}", blob, sizes, stride)
            channels = outputs
    blob = build.relu6("last_relu", build.convolution("last", blob, (_LAST, channels, 1)))
    blob = build.inner_product("fc", build.global_average("average", blob), _LAST, classes)
    build.softmax("probabilities", blob)
    return spec


if __name__ == "__main__":
    write_command(mobilenetv2_spec, __doc__)
