"""HTML that notebooks and pages share: escaping, colours for light and dark, tables, bars, thumbnails."""
