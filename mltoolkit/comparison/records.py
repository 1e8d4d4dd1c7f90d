"""What a comparison finds for each single input."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OutputDifference:
    """How one output of the two models differs on one input.

    Attributes:
        name: the output.
        snr_db: signal-to-noise ratio in dB, the first model's output being the signal; +inf where they are
            equal.
        psnr_db: the same with the peak as signal: 255 for pictures, else the greatest magnitude in this
            output.
        ssim: structural similarity of two pictures; None for other outputs, or without scikit-image.
        equal: fraction of equal elements; None unless the output holds integers.
        reference_value: the first model's value, of an output of one element only.
        other_value: the second model's.
    """

    name: str
    snr_db: float
    psnr_db: float
    ssim: float | None = None
    equal: float | None = None
    reference_value: float | None = None
    other_value: float | None = None


@dataclass(frozen=True, slots=True)
class InputComparison:
    """How the two models differ on one input. The class fields are None where they are no classifiers.

    Attributes:
        index: place in the sample data, from 0.
        name: the file, or "input 7".
        reference_label: the first model's answer.
        other_label: the second model's answer.
        reference_score: the first model's score of its own answer (a probability where the network ends in
            softmax).
        other_score: the second model's score of its own answer.
        agree: whether both answers are the same class.
        in_top_k: whether the first model's answer is among the k best of the second.
        kl: Kullback-Leibler divergence of the probabilities in nats; None where it does not exist.
        outputs: the difference of every other array or image output.
    """

    index: int
    name: str
    reference_label: str | None = None
    other_label: str | None = None
    reference_score: float | None = None
    other_score: float | None = None
    agree: bool | None = None
    in_top_k: bool | None = None
    kl: float | None = None
    outputs: tuple[OutputDifference, ...] = ()

    @property
    def lowest_snr_db(self) -> float:
        """The worst of all outputs, in dB; +inf where there is none."""
        return min((output.snr_db for output in self.outputs), default=float("inf"))


@dataclass(frozen=True, slots=True)
class UnreadableInput:
    """A file or folder that was left out because it could not be read."""

    name: str
    reason: str
