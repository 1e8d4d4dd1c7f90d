"""Comparing two models: input sources, metrics, the harness and its report."""

from mltoolkit.comparison.harness import compare_models
from mltoolkit.comparison.intervals import wilson_interval
from mltoolkit.comparison.layer_errors import compare_layers
from mltoolkit.comparison.layer_report import LayerError, LayerReport
from mltoolkit.comparison.metrics import kl_divergence, psnr_db, snr_db
from mltoolkit.comparison.page import ComparisonPage, check_page_path, comparison_page
from mltoolkit.comparison.records import InputComparison, OutputDifference, UnreadableInput
from mltoolkit.comparison.report import ComparisonReport
from mltoolkit.comparison.similarity import ssim
from mltoolkit.comparison.summary import Decibels, OutputSummary

__all__ = [
    "ComparisonPage",
    "ComparisonReport",
    "Decibels",
    "InputComparison",
    "LayerError",
    "LayerReport",
    "OutputDifference",
    "OutputSummary",
    "UnreadableInput",
    "check_page_path",
    "compare_layers",
    "compare_models",
    "comparison_page",
    "kl_divergence",
    "psnr_db",
    "snr_db",
    "ssim",
    "wilson_interval",
]
