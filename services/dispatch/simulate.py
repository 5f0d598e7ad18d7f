"""What a centre would do: the router's engine on virtual time, with traffic from a scenario.

docs/simulate.md shows how to write one. Exit code 0: simulated. 2: the scenario cannot be run.
"""

import argparse
import json
import sys
from pathlib import Path

from .adapters.scenarios import read_scenario
from .simulation.report import Report, differences, plain, report, simulated, table
from .simulation.settings import BadScenario


def _main(options: argparse.Namespace) -> None:
    scenario = read_scenario(options.scenario)
    runs = simulated(scenario)
    reports: dict[str, Report] = {options.scenario.stem: report(runs)}
    found = {"scenario": options.scenario.name, "queues": plain(report(runs))}
    told = [f"{options.scenario.name}, {scenario.replications} runs", table(report(runs))]
    if options.compare is not None:
        other = simulated(read_scenario(options.compare).with_traffic_of(scenario))
        more = differences(other, runs)
        reports[options.compare.stem] = report(other)
        found["compared"] = {
            "scenario": options.compare.name,
            "queues": plain(report(other)),
            "differences": plain(more),
        }
        told += ["", f"{options.compare.name}, the same calls", table(report(other))]
        told += ["", "What the second has more (±: 95 % of what chance does)", table(more)]
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    if options.plot is not None:
        _plot(reports, options.plot)
    sys.stdout.write("\n".join(told) + "\n")


def _plot(reports: dict[str, Report], path: Path) -> None:
    try:
        from .adapters.plots import plot  # noqa: PLC0415 - the library is an extra
    except ModuleNotFoundError as missing:
        raise BadScenario(f"--plot needs {missing.name}: pip install centralita[plot]") from missing
    plot(reports, path)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m services.dispatch.simulate", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("scenario", type=Path, help="a TOML file; see docs/simulate.md")
    parser.add_argument(
        "--compare", type=Path, help="another, run on the calls of the first: what if?"
    )
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("--plot", type=Path, help="draw them here: .svg, .png or .pdf")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        _main(_options())
    except (BadScenario, OSError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
