"""GridSampler: the sampling half of a spatial transformer (Jaderberg et al., 2015), with all its faces."""

from mltoolkit.custom_layers.grid_sampler.layer import GridSampleLayer, GridSampler

__all__ = ["GridSampleLayer", "GridSampler"]
