"""Drawing a graph without cycles in layers, from top to bottom.

The steps are those of Sugiyama, Tagawa and Toda (1981): ranks, order within the ranks, coordinates.
"""
