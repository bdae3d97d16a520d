"""What a run computed, on what, in words."""

from collections.abc import Mapping
from typing import Any

from egcam_jax.metrics import METRICS
from egcam_jax.report._statistics import LEVEL
from egcam_jax.run.store import Failure, Run

_TARGETS = {"label": "the image's own label", "top": "the network's top class"}


def facts(run: Run) -> dict[str, str]:
    """Name what was explained, by which network, and what it was compared with; what is not known is left out."""
    asked = run.asked
    said = {
        "network": _network(asked["model"]),
        "data": _data(asked["data"], run),
        "explained": _explained(asked["data"], run),
        "references": _references(asked),
        "tests": _tests(run),
        "left out": _left_out(run),
        "computed": _computed(run),
        "trouble": _trouble(run),
    }
    return {name: text for name, text in said.items() if text}


def _tests(run: Run) -> str:
    """Whether the images are too few for any difference to count, were they all one way.

    A signed-rank test of n pairs has no p below ``2 / 2^n``, and Holm's correction multiplies the smallest by the
    number of comparisons.
    """
    images, others = len(run.images), len(run.asked["methods"]) - 1
    if others < 1 or not images or 2.0 ** (1 - images) * others <= 1 - LEVEL:
        return ""
    said = f"{counted(images, 'image')} cannot tell {counted(others + 1, 'method')} apart, whatever the values"
    return f"{said}: every mark is a tie"


def counted(number: int, what: str) -> str:
    """A number and what it counts.

    Example:
        >>> from egcam_jax import report
        >>> report.counted(1, "image"), report.counted(1200, "batch")
        ('1 image', '1,200 batches')
    """
    plural = f"{what}es" if what.endswith("ch") else f"{what}s"
    return f"{number:,} {what if number == 1 else plural}"


def _network(model: Mapping[str, Any]) -> str:
    text = f"{model['name']}, {' + '.join(model['layer'])}"
    return text if model.get("dtype", "float32") == "float32" else f"{text}, {model['dtype']}"


def _data(data: Mapping[str, Any], run: Run) -> str:
    reached = len(run.images) + len(run.unreadable)
    text = f"{data['source']}, {counted(len(run.images), 'image')}"
    return text if reached >= data["count"] else f"{text} of {data['count']:,} so far"


def _explained(data: Mapping[str, Any], run: Run) -> str:
    judged = [row.correct for row in run.images if row.correct is not None]
    right = f"; the network's top class is right for {100 * sum(judged) / len(judged):.1f} %" if judged else ""
    return f"{explained(data.get('target', ''), run)}{right}"


def explained(target: str, run: Run) -> str:
    """Which class of each image is explained: images without a label have their top class explained.

    Example:
        >>> from egcam_jax import evaluate, report
        >>> report.explained("label", evaluate.Run({}, [], [], [], [], {}, {}))
        "the image's own label"
    """
    unlabelled = sum(row.correct is None for row in run.images)
    if target != "label" or not unlabelled:
        return _TARGETS.get(target, target)
    if unlabelled == len(run.images):
        return f"{_TARGETS['top']}, as the data has no labels"
    return f"{_TARGETS['label']}, and {_TARGETS['top']} for {counted(unlabelled, 'image')} without one"


def _references(asked: Mapping[str, Any]) -> str:
    known = asked.get("references")
    if not known:
        return ""
    both = f"; {known['explained']} of them explained too" if known.get("explained") else ""
    return f"{counted(known['count'], 'image')} from {known['source']}, seed {asked.get('seed')}{both}"


def _left_out(run: Run) -> str:
    """Metrics of a group that were not computed, those for the same reason together."""
    reasons = {metric: reason for session in run.sessions for metric, reason in session.get("left_out", {}).items()}
    groups = {reason: [metric for metric in reasons if reasons[metric] == reason] for reason in reasons.values()}
    return "; ".join(f"{', '.join(metrics)} ({reason})" for reason, metrics in groups.items())


def _computed(run: Run) -> str:
    """When and where, as far as the sessions say."""
    if not run.sessions:
        return ""
    devices = dict.fromkeys(_device(session) for session in run.sessions)
    started = str(run.sessions[0].get("started", ""))[:16].replace("T", " ")
    sessions = f" in {len(run.sessions)} sessions" if len(run.sessions) > 1 else ""
    return ", ".join(
        filter(None, [f"from {started}{sessions}" if started else "", " and ".join(filter(None, devices))])
    )


def _device(session: Mapping[str, Any]) -> str:
    number = session.get("devices") or 1
    return f"{number} × {session.get('device', '')}" if number != 1 else str(session.get("device", ""))


def failures(run: Run) -> list[Failure]:
    """What has failed and was not done later: a run that goes on tries again.

    Example:
        >>> from egcam_jax import evaluate, report
        >>> report.failures(evaluate.Run({}, [], [], [], [], {}, {}))
        []
    """
    return [failure for failure in run.failures if not _healed(run, failure)]


def _healed(run: Run, failure: Failure) -> bool:
    """Whether all that failed is there: of a method, each metric that is taken of such a batch."""
    every = [label for label in run.asked["metrics"] if failure.batch == 0 or not timed(run, label)]
    return all(_there(run, failure, label) for label in ([failure.metric] if failure.metric else every))


def _there(run: Run, failure: Failure, metric: str) -> bool:
    """Whether a batch has a metric. Its images lie sooner by as many places as earlier ones are absent."""
    there = run.computed.get((failure.method, metric))
    if there is None:
        return False
    if timed(run, metric):
        return bool(there.any())  # of the first batch alone, which is written as a whole
    absent, size = max(0, run.asked["data"]["count"] - len(run.images)), run.asked["batch"]
    batch = there[max(0, failure.batch * size - absent) : (failure.batch + 1) * size]
    return bool((batch if batch.size else there).all())


def timed(run: Run, label: str) -> bool:
    """Whether a metric measures time, of the first batch alone.

    Example:
        >>> from egcam_jax import evaluate, report
        >>> run = evaluate.Run({"metrics": {"seconds": {"metric": "running_time"}}}, [], [], [], [], {}, {})
        >>> report.timed(run, "seconds")
        True
    """
    name = run.asked["metrics"].get(label, {}).get("metric")
    return name in METRICS and METRICS[name].family == "cost"


def _trouble(run: Run) -> str:
    failed = failures(run)
    reports = [
        f"{counted(len(run.unreadable), 'image')} could not be read" if run.unreadable else "",
        f"{counted(len({failure.batch for failure in failed}), 'batch')} with a failure" if failed else "",
    ]
    return "; ".join(filter(None, reports))
