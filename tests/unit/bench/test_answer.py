"""The answer is in plain English, and claims nothing that the numbers do not carry."""

from analysis_runs import invocation, measured, rounds, run_data
from test_choices import configuration

from serverless_dnn.bench.analysis.answer import answer
from serverless_dnn.bench.analysis.results import Estimate, Ratio
from serverless_dnn.bench.analysis.statistics import Interval
from serverless_dnn.bench.analysis.summary import summarize


def _ratio(label: str, value: float, low: float | None, high: float | None = None) -> Ratio:
    interval = None if low is None or high is None else Interval(low, high)
    return Ratio(label, "cloudrun", "closed", 50, Estimate(value, interval, 10))


CLOUDRUN = configuration("cloudrun", 9.1, 3.30, platform="cloudrun")
LAMBDA = configuration("lambda", 13.2, 0.42)
SAGEMAKER = configuration("sagemaker", 20.0, 1.20, platform="sagemaker")


def test_the_fastest_and_the_cheapest() -> None:
    assert answer("mobilenet_v1", [LAMBDA, CLOUDRUN], [_ratio("lambda", 1.45, 1.41, 1.52)]) == (
        "For mobilenet_v1, Cloud Run answers fastest: 9.1 ms at the median, 1.4 to 1.5 times as fast as AWS Lambda. "
        "AWS Lambda is cheapest at $0.42 per million requests."
    )


def test_three_platforms() -> None:
    ratios = [_ratio("lambda", 1.45, 1.45, 1.45), _ratio("sagemaker", 2.2, 2.1, 2.3)]

    assert answer("m", [LAMBDA, SAGEMAKER, CLOUDRUN], ratios).startswith(
        "For m, Cloud Run answers fastest: 9.1 ms at the median, 1.4 times as fast as AWS Lambda and 2.1 to 2.3 times as "
        "fast as SageMaker Serverless."
    )


def test_no_claim_where_they_cannot_be_told_apart() -> None:
    ratios = [_ratio("lambda", 1.05, 0.99, 1.11), _ratio("sagemaker", 2.2, 2.1, 2.3)]

    text = answer("m", [LAMBDA, SAGEMAKER, CLOUDRUN], ratios)

    assert text.startswith(
        "For m, Cloud Run and AWS Lambda answer in 9.1 and 13.2 ms at the median, and they cannot be told apart; "
        "SageMaker Serverless is slower."
    )
    assert "fastest" not in text


def test_no_claim_from_too_few_rounds() -> None:
    text = answer("m", [LAMBDA, CLOUDRUN], [_ratio("lambda", 1.45, None)])

    assert "and there are too few rounds to tell them apart." in text
    assert "fastest" not in text


def test_no_claim_about_cost_where_a_price_is_unknown() -> None:
    unpriced = configuration("sagemaker", 20, None, platform="sagemaker")

    text = answer("m", [CLOUDRUN, unpriced], [_ratio("sagemaker", 2.2, 2.1, 2.3)])

    assert text.endswith("What SageMaker Serverless costs is unknown, so none is called cheapest.")
    assert "$" not in answer("m", [unpriced], [])


def test_no_claim_about_costs_that_overlap() -> None:
    one = configuration("a", 10, 1.00, usd_interval=(0.9, 1.1))
    other = configuration("b", 20, 1.05, usd_interval=(1.0, 1.1))

    assert answer("m", [one, other], []).endswith(
        "a and b cost $1.00 and $1.05 per million requests, and cannot be told apart by cost."
    )


def test_costs_are_compared_in_the_same_rounds() -> None:
    """Their intervals overlap, for rounds differ; in each round one costs a tenth more. And the other way round."""
    one = configuration("a", 10, 1.00, usd_interval=(0.8, 1.2))
    other = configuration("b", 20, 1.10, usd_interval=(0.9, 1.3))
    paired = {"b": Estimate(1.1, Interval(1.08, 1.12), 10)}

    assert answer("m", [one, other], [], None, paired).endswith("a is cheapest at $1.00 per million requests.")
    apart = [configuration("a", 10, 1.0), configuration("b", 20, 1.1)]
    assert answer("m", apart, [], None, {"b": Estimate(1.1, Interval(0.9, 1.3), 10)}).endswith(
        "and cannot be told apart by cost."
    )
    assert answer("m", apart, [], None, {"b": Estimate(1.1, None, 2)}).endswith(
        "with too few rounds to tell which is cheaper."
    )


def test_an_objective_that_may_be_kept() -> None:
    sure = configuration("sure", 10, 2.0, p99_ms=40)
    close = configuration("close", 10, 1.0, p99_ms=49, p99_interval=(45, 55))

    assert answer("m", [sure, close], [], 50).endswith(
        "The cheapest that keeps p99 within 50 ms is sure. It takes more rounds to tell for close."
    )
    assert answer("m", [close], [], 50).endswith(
        "None is shown to keep p99 within 50 ms. It takes more rounds to tell for AWS Lambda."
    )


def test_labels_where_titles_are_the_same() -> None:
    of = [configuration("lambda 1024 MB", 20, 1.0), configuration("lambda 2048 MB", 10, 2.0)]
    ratio = Ratio("lambda 1024 MB", "lambda 2048 MB", "closed", 50, Estimate(2, Interval(1.9, 2.1), 5))

    assert answer("m", of, [ratio]) == (
        "For m, lambda 2048 MB answers fastest: 10.0 ms at the median, 1.9 to 2.1 times as fast as lambda 1024 MB. "
        "lambda 1024 MB is cheapest at $1.00 per million requests."
    )


def test_one_configuration() -> None:
    assert answer("m", [LAMBDA], []) == "AWS Lambda answers m in 13.2 ms at the median. A million requests cost $0.42."


def test_the_cheapest_within_an_objective() -> None:
    quick = configuration("quick", 10, 2.0, p99_ms=20)
    slow = configuration("slow", 20, 1.0, p99_ms=60)
    untold = configuration("untold", 30, 3.0)

    assert "The cheapest that keeps p99 within 50 ms is quick." in answer("m", [quick, slow], [], 50)
    assert "None is shown to keep p99 within 5 ms." in answer("m", [quick, slow], [], 5)
    assert "too few requests to tell for untold." in answer("m", [quick, untold], [], 50)
    assert answer("m", [untold], [], 50).endswith(
        "There are too few requests to tell whether any keeps p99 within 50 ms."
    )


def test_from_a_runs_rows() -> None:
    """Rounds that are 30 % apart, and a ratio of 2 in each."""
    factors = [1.0, 1.3, 0.9, 1.1, 1.2]
    of = [measured("lambda"), measured("cloudrun", "cloudrun", memory_mb=2048)]
    samples = [
        row
        for label, ms in (("lambda", 20), ("cloudrun", 10))
        for row in rounds(label, [ms * each for each in factors])
    ]
    invocations = [
        invocation(
            row.configuration, number=row.round, begin_ms=100 * row.index, end_ms=100 * row.index + row.latency_ns / 1e6
        )
        for row in samples
    ]

    assert summarize(run_data(of, samples, invocations)).answer == (
        "For mobilenet_v1, Cloud Run answers fastest: 11.0 ms at the median, 2.0 times as fast as AWS Lambda. "
        "AWS Lambda is cheapest at $0.58 per million requests."
    )
