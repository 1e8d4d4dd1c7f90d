"""The item similarity recommender (ItemSimilarityRecommender.proto)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mltoolkit.errors import InputError, InvalidModelError, did_you_mean
from mltoolkit.formats.features import (
    ArrayFeature,
    DictionaryFeature,
    Feature,
    Interface,
    ScalarFeature,
    SequenceFeature,
)
from mltoolkit.runtime.classical.base import Transformer
from mltoolkit.runtime.classical.registry import predicts

Item = str | int


@predicts("itemSimilarityRecommender")
class ItemSimilarityRecommender(Transformer):
    """The items most similar to those a user has.

    The score of an item k is the sum over the user's items i of similarity(k, i) · (score_i - shift_k). A
    list of items gives each the score 1; items that the model does not know count nothing. Unless other
    exclusions are given, the user's own items are not recommended. Of equal scores, the item of the lower
    number comes first.
    """

    def __init__(self, spec: Any, interface: Interface) -> None:
        super().__init__(spec, interface)
        p = self.parameters
        self._items = _item_names(p)
        self._number = {item: number for number, item in self._items.items()}
        if len(self._number) != len(self._items):
            raise InvalidModelError("two items of the recommender have the same name")
        # similar[i] holds (k, similarity(k, i)) for every k that is similar to i.
        self._similar: dict[int, list[tuple[int, float]]] = {}
        self._shift: dict[int, float] = {}
        for entry in p.itemItemSimilarities:
            similar = self._similar.setdefault(entry.itemId, [])
            similar.extend((other.itemId, other.similarityScore) for other in entry.similarItemList)
            self._shift[entry.itemId] = entry.itemScoreAdjustment
        self._find_features(interface)

    def _find_features(self, interface: Interface) -> None:
        p = self.parameters
        lists = (SequenceFeature, ArrayFeature)
        name = p.itemInputFeatureName or (interface.inputs[0].name if len(interface.inputs) == 1 else "")
        self._given = _find(interface.inputs, name, DictionaryFeature, *lists)
        self._count = _find(interface.inputs, p.numRecommendationsInputFeatureName, ScalarFeature)
        self._restriction = _find(interface.inputs, p.itemRestrictionInputFeatureName, *lists)
        self._exclusion = _find(interface.inputs, p.itemExclusionInputFeatureName, *lists)
        self._list = _find(interface.outputs, p.recommendedItemListOutputFeatureName, SequenceFeature)
        self._scores = _find(interface.outputs, p.recommendedItemScoreOutputFeatureName, DictionaryFeature)
        if self._given is None:
            raise InvalidModelError("the recommender does not name its input of items")
        made = {feature.name for feature in (self._list, self._scores) if feature is not None}
        if made != {feature.name for feature in interface.outputs}:
            raise InvalidModelError("an output of the recommender is neither its list of items nor their scores")

    def transform(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The recommended items by falling score, and their scores."""
        assert self._given is not None  # _find_features lets no such model pass
        owned = self._owned(values[self._given.name])
        allowed = self._numbers(values, self._restriction)
        excluded = self._numbers(values, self._exclusion)
        scores = self._score(owned)
        candidates = [
            number
            for number in self._items
            if number not in (owned if excluded is None else excluded) and (allowed is None or number in allowed)
        ]
        candidates.sort(key=lambda number: (-scores.get(number, 0.0), number))
        chosen = candidates[: self._limit(values)]
        made: dict[str, Any] = {}
        if self._list is not None:
            made[self._list.name] = [self._items[number] for number in chosen]
        if self._scores is not None:
            made[self._scores.name] = {self._items[number]: scores.get(number, 0.0) for number in chosen}
        return made

    def _score(self, owned: Mapping[int, float]) -> dict[int, float]:
        scores: dict[int, float] = {}
        for item, own in owned.items():
            for other, similarity in self._similar.get(item, ()):
                adjusted = own - self._shift.get(other, 0.0)
                scores[other] = scores.get(other, 0.0) + similarity * adjusted
        return scores

    def _owned(self, given: Any) -> dict[int, float]:
        if given is None:
            return {}
        scored = given.items() if isinstance(given, dict) else ((item, 1.0) for item in _plain(given))
        return {self._number[item]: float(score) for item, score in scored if item in self._number}

    def _numbers(self, values: Mapping[str, Any], feature: Feature | None) -> set[int] | None:
        given = None if feature is None else values[feature.name]
        if given is None:
            return None
        return {self._number[item] for item in _plain(given) if item in self._number}

    def _limit(self, values: Mapping[str, Any]) -> int | None:
        limit = None if self._count is None else values[self._count.name]
        if limit is None:
            return None
        if limit < 0 or limit != int(limit):
            raise InputError(f"{limit} items cannot be recommended", where=f"input {self._count.name!r}")  # type: ignore[union-attr]
        return int(limit)


def _plain(items: Any) -> Iterable[Item]:
    """A list's items, or an array's numbers as integers."""
    return items if isinstance(items, list) else (int(item) for item in items.reshape(-1))


def _find(features: tuple[Feature, ...], name: str, *kinds: type[Feature]) -> Feature | None:
    """The feature that the model names; None where it names none."""
    if not name:
        return None
    by_name = {feature.name: feature for feature in features}
    if name not in by_name:
        raise InvalidModelError(f"the recommender's {name!r} is not described", fix=did_you_mean(name, by_name))
    if not isinstance(by_name[name], kinds):
        raise InvalidModelError(f"the recommender cannot use {name!r}, which is described as another type")
    return by_name[name]


def _item_names(parameters: Any) -> dict[int, Item]:
    """The name of each item by its number, in the numbers' order: as stored, or the number itself."""
    mentioned = {entry.itemId for entry in parameters.itemItemSimilarities}
    mentioned.update(other.itemId for entry in parameters.itemItemSimilarities for other in entry.similarItemList)
    stored: list[Item] = [*parameters.itemStringIds.vector, *parameters.itemInt64Ids.vector]
    if not stored:
        return {number: number for number in sorted(mentioned)}
    if len(parameters.itemStringIds.vector) and len(parameters.itemInt64Ids.vector):
        raise InvalidModelError("the recommender's items have texts and integers as names")
    if mentioned and max(mentioned) >= len(stored):
        raise InvalidModelError(f"the recommender mentions item {max(mentioned)} and names {len(stored)}")
    return dict(enumerate(stored))
