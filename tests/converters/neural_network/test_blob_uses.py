"""Which blobs are read and made, through branches and loops."""

from __future__ import annotations

from networks import branch_layer, copy_layer, loop_layer

from mltoolkit.converters.neural_network.blob_uses import BlobUses, made_blobs, read_before_made


def test_needed_outside():
    loop = loop_layer([copy_layer("a", "b"), copy_layer("b", "c")], condition=[copy_layer("c", "go")])
    layers = [copy_layer("x", "a"), loop, copy_layer("c", "y")]
    uses = BlobUses(layers, ["y", "b"])
    assert uses.needed_outside([loop], ["a", "b", "c", "go", "y"]) == {"b", "c", "y"}
    # The loop itself reads its condition.
    condition = loop.loop.conditionNetwork.layers
    assert uses.needed_outside(condition, ["go"]) == {"go"}


def test_made_blobs_of_all_depths():
    inner = branch_layer("p", [copy_layer("a", "b")], [copy_layer("a", "c")])
    assert made_blobs([copy_layer("x", "a"), loop_layer([inner]), copy_layer("a", "b")]) == ["a", "b", "c"]


def test_what_one_way_makes_is_not_made_for_certain():
    one_way = branch_layer("p", [copy_layer("a", "b")])
    both_ways = branch_layer("p", [copy_layer("a", "b")], [copy_layer("c", "b")])
    reads_b = copy_layer("b", "d")
    assert read_before_made([one_way, reads_b]) == {"p", "a", "b"}
    assert read_before_made([both_ways, reads_b]) == {"p", "a", "c"}


def test_a_loop_may_not_run_but_its_condition_does():
    loop = loop_layer([copy_layer("a", "b")], condition=[copy_layer("a", "go")])
    layers = [loop, copy_layer("b", "c"), copy_layer("go", "d")]
    assert read_before_made(layers) == {"a", "b"}
    assert read_before_made(layers, made=["a"]) == {"b"}
