"""Quantizing a model in many ways, and what each way costs and keeps."""

from mltoolkit.sweeps.driver import sweep
from mltoolkit.sweeps.recipes import METHODS, Method, Recipe, recipes_of
from mltoolkit.sweeps.report import SweepReport
from mltoolkit.sweeps.rows import OutputQuality, SweepRow

__all__ = ["METHODS", "Method", "OutputQuality", "Recipe", "SweepReport", "SweepRow", "recipes_of", "sweep"]
