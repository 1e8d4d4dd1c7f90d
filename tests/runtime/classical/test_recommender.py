"""The item similarity recommender against the proto's formula."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from classical_specs import described, predict, recommender

from mltoolkit.errors import InputError, InvalidModelError


def test_scores_are_those_of_the_formula() -> None:
    spec, inputs = recommender()
    # tea scores 2: milk 0.9 · (2 - 0.5), rice 0.1 · 2, salt nothing; tea itself is excluded.
    made = predict(spec, inputs)
    assert made["list"] == ["milk", "rice", "salt"]
    assert made["scores"] == pytest.approx({"milk": 1.35, "rice": 0.2, "salt": 0.0})


def test_restrictions_exclusions_and_numbers() -> None:
    spec, inputs = recommender()
    assert predict(spec, inputs | {"k": 1})["list"] == ["milk"]
    assert predict(spec, inputs | {"k": 0}) == {"list": [], "scores": {}}
    assert predict(spec, inputs | {"only": ["rice", "salt", "none"]})["list"] == ["rice", "salt"]
    # Other exclusions let the user's own items in.
    assert predict(spec, inputs | {"without": ["milk"]})["list"] == ["rice", "tea", "salt"]
    assert predict(spec, {"items": {"unknown": 1.0}})["list"] == ["tea", "milk", "rice", "salt"]
    with pytest.raises(InputError, match="-1 items"):
        predict(spec, inputs | {"k": -1})


def test_random_tables_equal_a_matrix() -> None:
    generator = np.random.default_rng(0)
    similarity = generator.random((12, 12)) * (generator.random((12, 12)) < 0.4)
    shift = generator.normal(size=12)
    spec = described({"items": "int64 dictionary"}, {"scores": "int64 dictionary"})
    model = spec.itemSimilarityRecommender
    model.recommendedItemScoreOutputFeatureName = "scores"
    names = generator.permutation(1000)[:12].tolist()
    model.itemInt64Ids.vector.extend(names)
    for item in range(12):
        entry = model.itemItemSimilarities.add(itemId=item, itemScoreAdjustment=shift[item])
        for other in np.flatnonzero(similarity[:, item]):
            entry.similarItemList.add(itemId=int(other), similarityScore=similarity[other, item])
    own = {3: 1.5, 7: -2.0, 8: 0.25}
    wanted = {
        names[k]: sum(similarity[k, i] * (score - shift[k]) for i, score in own.items())
        for k in range(12)
        if k not in own
    }
    made = predict(spec, {"items": {names[i]: score for i, score in own.items()}})["scores"]
    assert made == pytest.approx(wanted)
    assert list(made.values()) == sorted(made.values(), reverse=True)


def test_items_may_be_a_list_and_numbers_their_own_names() -> None:
    spec = described({"items": (0,)}, {"list": "int64 list"})
    model = spec.itemSimilarityRecommender
    model.recommendedItemListOutputFeatureName = "list"
    # Only the items that are mentioned exist: nothing of the size of the largest number is made.
    model.itemItemSimilarities.add(itemId=5).similarItemList.add(itemId=2**60, similarityScore=1.0)
    assert predict(spec, {"items": [5.0]}) == {"list": [2**60]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: model.itemStringIds.vector.append("tea"), "same name"),
        (lambda model: model.itemInt64Ids.vector.append(1), "texts and integers"),
        (lambda model: model.itemItemSimilarities.add(itemId=4), "mentions item 4"),
        (lambda model: setattr(model, "itemInputFeatureName", "itemz"), "Did you mean 'items'"),
        (lambda model: setattr(model, "itemInputFeatureName", ""), "does not name"),
        (lambda model: setattr(model, "itemInputFeatureName", "k"), "another type"),
        (lambda model: setattr(model, "recommendedItemListOutputFeatureName", ""), "neither"),
    ],
)
def test_bad_models_are_refused(change: Any, message: str) -> None:
    spec, inputs = recommender()
    change(spec.itemSimilarityRecommender)
    with pytest.raises(InvalidModelError, match=message):
        predict(spec, inputs)
