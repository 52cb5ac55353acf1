"""Compiles every kernel once, for all processes of the tests; `scripts/test` runs it first."""

from planted import interactions_of, two_groups
from recommender.serving.compile_ahead import compile_ahead
from recommender.training.evaluation import cut_at
from recommender.training.fitting import TEST_SHARE, before, evaluate, learn_newest
from recommender.training.source import TrainingSet


def main() -> None:
    compile_ahead()
    training_set = TrainingSet(interactions_of(two_groups(60)))
    known = before(training_set, cut_at(training_set.interactions, TEST_SHARE))
    evaluate(training_set, learn_newest(known, seed=0))


if __name__ == "__main__":
    main()
