"""Keras 3 models (any backend, `.keras` and legacy HDF5 files) as graphs of the hub, by a walk over their layers."""

from mltoolkit.converters.keras.importing import import_keras as import_keras
