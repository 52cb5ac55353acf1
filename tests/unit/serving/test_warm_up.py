import pytest

from planted import BEGAN_AT
from recommender.records import Placement
from recommender.serving import warm_up as module
from recommender.serving.recommend import recommend
from recommender.serving.warm_up import warm_up


@pytest.fixture
def answers(monkeypatch):
    """Every slate that a warm-up makes, with its request."""
    found = []

    def listening(asked, **collaborators):
        answers = recommend(asked, **collaborators)
        found.extend(zip((request for _, request in asked), answers, strict=True))
        return answers

    monkeypatch.setattr(module, "recommend", listening)
    return found


def test_every_placement_is_ranked_by_the_model_itself(front, models, shop, answers):
    warm_up(shop, models.get("shop"), front.catalogue, now=BEGAN_AT)
    assert {request.placement for request, _ in answers} == set(Placement)
    assert {answer.slate.fallback for _, answer in answers} == {""}
    assert all(request.preview for request, _ in answers), "no visitor is assigned or exposed"


def test_paths_come_from_all_over_the_vocabulary(front, models, shop, answers):
    warm_up(shop, models.get("shop"), front.catalogue, now=BEGAN_AT)
    pages = {request.item_id for request, _ in answers if request.item_id}
    assert {item_id[0] for item_id in pages} == {"a", "b"}


def test_the_catalogue_is_aligned_beforehand(front, models, shop):
    model = models.get("shop")
    warm_up(shop, model, front.catalogue, now=BEGAN_AT)
    assert model._view.catalogue is front.catalogue
