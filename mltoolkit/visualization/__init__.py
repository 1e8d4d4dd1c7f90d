"""A model as a picture: its layers, shapes and weights in one HTML file that needs nothing else."""

from mltoolkit.visualization.visualization import Visualization, visualize

__all__ = ["Visualization", "visualize"]
