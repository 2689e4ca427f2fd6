"""Which candidate wins at a rate: roughly, to search with; and as the answer itself is found, to be sure."""

import math
from collections.abc import Sequence
from dataclasses import replace

from serverless_dnn.bench.simulation.demand import Demand
from serverless_dnn.bench.simulation.evaluation import Market, Prediction, evaluate_all, evaluate_kept
from serverless_dnn.bench.simulation.options import Candidate, Option

_ROUGHER, _FEWEST = 40, 500
_NEAR = 1.1
_NEARLY_WITHIN = 0.97
"""A rough prediction is a little off: what is so near to being the best may be it."""
_STEPS = 2
_HARDLY_EVER = 0.001


class Contest:
    """Evaluates candidates at rates, and remembers what it found.

    Args:
        candidates: The candidates.
        demand: The load, of which the rate varies.
        market: The objective, prices and quotas.
        requests: About how many requests are to count where it is to be sure.
    """

    def __init__(self, candidates: Sequence[Candidate], demand: Demand, market: Market, requests: int) -> None:
        self.candidates, self.demand, self.market = tuple(candidates), demand, market
        self._requests = requests
        self._rough: dict[tuple[str, float], Sequence[Prediction]] = {}
        self._sure: dict[tuple[tuple[str, int], float], Sequence[Prediction]] = {}

    def under(self, market: Market) -> "Contest":
        """The same contest in another market.

        Args:
            market: The objective, prices and quotas.
        """
        return Contest(self.candidates, self.demand, market, self._requests)

    def best(self, candidate: Candidate, rate: float) -> Prediction:
        """A candidate, set as suits a rate best, roughly.

        Args:
            candidate: The candidate.
            rate: Requests a second.
        """
        return min(self._roughly(candidate, rate), key=lambda each: each.rank)

    def champion(self, rate: float, among: Sequence[Candidate] = ()) -> Prediction:
        """What wins at a rate, roughly.

        Args:
            rate: Requests a second.
            among: Of these candidates; all if there are none.
        """
        return min((self.best(each, rate) for each in among or self.candidates), key=lambda each: each.rank)

    def winner(self, rate: float, among: Sequence[Candidate] = ()) -> Prediction:
        """What wins at a rate, found as the answer is; only what is far from winning is not looked at again.

        Args:
            rate: Requests a second.
            among: Of these candidates; all if there are none.
        """
        rough = [each for candidate in among or self.candidates for each in self._roughly(candidate, rate)]
        best = min(rough, key=lambda each: each.rank)
        sure: dict[tuple[str, int], Sequence[Prediction]] = {}
        while True:
            options = {_name(each): each for each in _near(rough, best) if _name(each) not in sure}
            if not options:
                return best
            # What was to win may turn out dearer than others that had seemed far from it.
            sure |= {name: self._surely(option, rate) for name, option in options.items()}
            best = min((each for several in sure.values() for each in several), key=lambda each: each.rank)

    def is_beaten(self, candidate: Candidate, rate: float) -> bool:
        """Whether another candidate wins at a rate, as sure as ``winner`` and sooner: the first that does is enough.

        Args:
            candidate: The candidate.
            rate: Requests a second.
        """
        ours = self.winner(rate, [candidate])
        others = [other for each in self.candidates if each is not candidate for other in self._roughly(each, rate)]
        options = {_name(each): each for each in _near(sorted(others, key=lambda each: each.rank), ours)}
        return any(
            each.keeps_objective and each.rank < ours.rank
            for option in options.values()
            for each in self._surely(option, rate)
        )

    def rivals(self, low_rate: float, high_rate: float, among: Sequence[Candidate]) -> Sequence[Candidate]:
        """Which candidates may win between two rates, those that win there included.

        A cost rises with the rate: what costs more at the lower one than the winners at the higher one does not win in
        between. Nor does what costs more at both by more than an instance or two are of all; without instances that are
        billed as long as they run, costs follow the rate alike, and so they do within a platform.

        Args:
            low_rate: Requests a second.
            high_rate: Likewise, more.
            among: The candidates.
        """
        champions = self.champion(low_rate, among), self.champion(high_rate, among)
        labels = {each.option.candidate.label for each in champions}
        platforms = {each.option.candidate.platform for each in champions}
        most_usd = max(usd_of(self.best(each.option.candidate, high_rate)) for each in champions)

        def may_win(candidate: Candidate) -> bool:
            ends = self.best(candidate, low_rate), self.best(candidate, high_rate)
            if candidate.platform in platforms or not any(each.keeps_objective for each in ends):
                return False
            surplus = min(usd_of(end) - usd_of(champion) for end, champion in zip(ends, champions, strict=True))
            steps_usd = max(map(_step_usd, (*ends, *champions)))
            return usd_of(ends[0]) < most_usd and surplus < _STEPS * steps_usd

        return [each for each in among if each.label in labels or may_win(each)]

    def _surely(self, option: Option, rate: float) -> Sequence[Prediction]:
        key = _name(option), rate
        if key not in self._sure:
            self._sure[key] = evaluate_kept(option, self.demand.at(rate), self.market, self._requests)
        return self._sure[key]

    def _roughly(self, candidate: Candidate, rate: float) -> Sequence[Prediction]:
        key = candidate.label, rate
        if key not in self._rough:
            requests = max(min(_FEWEST, self._requests), self._requests // _ROUGHER)
            # Where requests hardly ever meet, it does not matter how many an instance takes.
            meets = rate * candidate.behaviour.mean_service_s > _HARDLY_EVER
            alike = candidate if meets else replace(candidate, max_requests_per_instance=1)
            self._rough[key] = [
                replace(each, option=replace(each.option, candidate=candidate))
                for each in evaluate_all(alike, self.demand.at(rate), self.market, requests)
            ]
        return self._rough[key]


def usd_of(each: Prediction) -> float:
    """What an option costs a month; infinite if that is unknown.

    Args:
        each: The option.
    """
    return math.inf if each.usd_per_month is None else each.usd_per_month


def _near(rough: Sequence[Prediction], best: Prediction) -> Sequence[Option]:
    """The options that may be better than the best, without instances that always run."""
    limit_usd = _NEAR * usd_of(best) if best.keeps_objective else math.inf
    return [
        each.option.without_kept()
        for each in rough
        if usd_of(each) <= limit_usd and each.within_share >= min(_NEARLY_WITHIN, best.within_share)
    ]


def _name(option: Option) -> tuple[str, int]:
    """What tells an option from others, apart from instances that always run."""
    return option.candidate.label, option.requests_per_instance


def _step_usd(each: Prediction) -> float:
    """By how much a cost rises with one instance more; 0 where only requests are billed."""
    is_by_instance = each.billing == "instance-based" or each.option.kept_instances > 0
    return usd_of(each) / max(1, each.most_instances) if is_by_instance else 0.0
