"""`egcam saturation`: how soon layers and outputs stop changing as images are scaled up."""

import dataclasses
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from egcam_jax.cli import options
from egcam_jax.cli.command import flag

_MAPS = "Maps"
Space = StrEnum("Space", ["pixels", "input"])
_ASKED = (
    *("data", "limit", "classes", "space", "seed", "methods", "at", "pictures", "patches", "samples", "refs"),
    "num_refs",
)
"""Of what was asked for, what the document says once; the networks follow one by one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Saturation(options.Networks):
    """The flags of `saturation`."""

    data: options.Data
    limit: Annotated[int, flag("How many images, drawn with --seed; the paper has 25.", min=1)] = 25
    steps: Annotated[int, flag("Scalings α of each image, evenly from 0 to 1.", min=2)] = 25
    space: Annotated[Space, flag("Scaled towards: a black picture, or zero in the network's own input.")] = Space.pixels
    methods: options.Methods = "gradcam,integrated_gradcam,expected_gradcam"
    at: Annotated[str, flag("Scalings of the maps.", metavar="α,...", panel=_MAPS)] = "0.1,0.25,0.5,0.75,1"
    pictures: Annotated[int, flag("How many of the images have maps drawn.", min=0, panel=_MAPS)] = 1
    patches: Annotated[
        int,
        flag(
            "Below each map, so many of the image's 7 × 7 patches that it finds strongest, and the score of them "
            "alone; 0: none.",
            min=0,
            max=49,
            panel=_MAPS,
        ),
    ] = 4
    out: options.Folder = Path("egcam-saturation")


def saturation(asked: Saturation) -> int:
    """Show saturation: layer and output against the scaling of the image, and what methods make of it.

    The paper's Figures 10 and 11, mean and two standard deviations over images, and its Figures 2, 8 and 14. Files: the
    curves (saturation.png, .csv, .json) and, scaling by scaling, maps by each method (maps.png) with what its
    strongest patches are worth. A run replaces an earlier one's files.
    """
    from egcam_jax.cli import networks, several
    from egcam_jax.output import console, files, saturated
    from egcam_jax.run import asking, grammar

    wanted = saturated.Asked(asked.steps, asked.space, _scalings(asked.at), asked.pictures, asked.patches)
    methods = grammar.texts(asked.methods)
    asking.methods(methods, samples=asked.samples, refs=asked.refs)
    chosen = several.networks(asked, ["efficientnet_lite0"])
    files.prepare(asked.out)
    curves = []
    with console.bar(console.console(stderr=True)) as step:
        for i, network in enumerate(chosen):
            own: dict[str, Any] = {"weights": network.weights, "layer": network.layer or ()}
            own["model"] = networks.early(network)
            own |= {"methods": methods if asked.pictures else ["gradcam"], "metrics": (), "target": "top"}
            own |= {} if asked.pictures else {"samples": None, "refs": None}
            plan = options.plan(asked, **own)
            tell = lambda doing, i=i: step(doing, i / len(chosen))
            curves.append(saturated.saturate(plan, network.text, wanted, tell))
    document = {name: getattr(asked, name) for name in _ASKED} | {"methods": methods, "at": wanted.at}
    read = bool(curves[0].ids)  # of the data, which is the same for every network
    written = saturated.write(asked.out, wanted, curves, document) if read else []
    out = console.console()
    for one in curves:
        for text in saturated.said(one, saturated.alphas(wanted)):
            console.line(out, text)
    for name in written:
        console.line(out, f"wrote {asked.out / name}")
    return int(not read)


def _scalings(text: str) -> list[float]:
    """Read numbers with commas between them.

    Raises:
        ValueError: One is no number from 0 to 1.
    """
    try:
        numbers = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        numbers = []
    if not numbers or not all(0 <= number <= 1 for number in numbers):
        raise ValueError(f"at must be numbers from 0 to 1 with commas between them, such as 0.1,0.5,1; got {text!r}.")
    return numbers
