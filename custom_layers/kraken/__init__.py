"""The custom layers of models that kraken (OCR) publishes: groupnorm, dropout, reshape."""

from mltoolkit.custom_layers.kraken.dropout import Dropout
from mltoolkit.custom_layers.kraken.groupnorm import KrakenGroupNorm
from mltoolkit.custom_layers.kraken.reshape import Reshape

__all__ = ["Dropout", "KrakenGroupNorm", "Reshape"]
