"""Every translation between model formats, one op family a file (installed as ``mltoolkit.converters``)."""
