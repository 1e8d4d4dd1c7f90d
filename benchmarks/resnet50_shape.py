"""A runnable ResNet50 as a Core ML spec: the real topology, 25.5 M seeded random weights.

    python benchmarks/resnet50_shape.py resnet50.mlmodel [--fold-batchnorm]

He et al., "Deep Residual Learning" (arXiv 1512.03385), with the stride in the 3x3 convolutions as
torchvision has it.
"""

from __future__ import annotations

from typing import Any

from network_builder import NetworkBuilder, classifier_spec, write_command

_STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
_EXPANSION = 4


def _bottleneck(build: NetworkBuilder, name: str, blob: str, inputs: int, width: int, stride: int) -> str:
    outputs = width * _EXPANSION
    branch = build.relu(f"{name}_relu1", build.convolution(f"{name}_conv1", blob, (width, inputs, 1)))
    branch = build.relu(f"{name}_relu2", build.convolution(f"{name}_conv2", branch, (width, width, 3), stride))
    # A small last gamma keeps the sum of 16 residual branches of order one.
    branch = build.convolution(f"{name}_conv3", branch, (outputs, width, 1), gamma=0.4)
    if stride != 1 or inputs != outputs:
        blob = build.convolution(f"{name}_shortcut", blob, (outputs, inputs, 1), stride)
    return build.relu(f"{name}_relu3", build.add(f"{name}_add", [blob, branch]))


def resnet50_spec(seed: int = 0, *, batchnorm: bool = True, image_size: int = 224, classes: int = 1000) -> Any:
    """A ``neuralNetworkClassifier`` of specification 1: ``image`` → ``classLabel``, ``classLabelProbs``.

    Args:
        seed: of the weights.
        batchnorm: False folds the batch normalisations into the convolutions (the same function).
        image_size: height and width of the RGB picture.
        classes: number of labels.
    """
    spec, network = classifier_spec(f"ResNet50 shape, random weights, seed {seed}", image_size, classes)
    build = NetworkBuilder(network, seed, batchnorm)
    blob = build.relu("stem_relu", build.convolution("stem", "image", (64, 3, 7), 2))
    blob = build.max_pool("stem_pool", blob)
    channels = 64
    for stage, (width, blocks) in enumerate(_STAGES, start=1):
        for block in range(blocks):
            stride = 2 if block == 0 and stage > 1 else 1
            blob = _bottleneck(build, f"stage{stage}_{block + 1}", blob, channels, width, stride)
            channels = width * _EXPANSION
    blob = build.inner_product("fc", build.global_average("average", blob), channels, classes)
    build.softmax("probabilities", blob)
    return spec


if __name__ == "__main__":
    write_command(resnet50_spec, __doc__)
