"""Answer one request for a simulation, in a process of its own.

A simulation keeps a core busy for as long as it takes, and the process that serves the API has
offers to make: so it starts this one, and ends it when nobody waits for the answer any more. The
CompareRequest comes on standard input; for what goes out see `adapters/elsewhere.py`.
"""

import resource
import sys
from typing import Any

from centralita.dispatch.v1 import simulation_service_pb2 as api
from google.protobuf.struct_pb2 import Struct, Value

from .adapters.elsewhere import answered, refused
from .domain.errors import Invalid, SimulationTooLong
from .simulation.bounds import (
    MOST_AGENT_HOURS,
    MOST_CALLS,
    TooLarge,
    agent_hours,
    calls,
    within,
)
from .simulation.report import differences, report, simulated
from .simulation.scenario import CLOCK, NoTrace, scenario
from .simulation.settings import BadScenario
from .simulation_api import simulation

MOST_CPU_S = 30
"""Seconds of a core; only a process whose parent was killed gets so far."""
MOST_MEMORY = 128 * 1024 * 1024
"""Bytes; a third of what a replica may have, whose own work must not be ended for want of it."""
_EXACT = 2**53


def suppose(request: api.CompareRequest) -> api.CompareResponse:
    """Simulate `scenario` and, if it is there, `changed`. Raises Invalid."""
    try:
        return _found(request)
    except TooLarge as no:
        raise Invalid(
            "SCENARIO_TOO_LARGE",
            str(no),
            measure=no.measure,
            asked=f"{no.asked:.0f}",
            most=str(no.most),
        ) from no
    except NoTrace as no:
        raise Invalid("TRACE_NOT_INLINE", str(no)) from no
    except BadScenario as no:
        raise Invalid("SCENARIO_INVALID", str(no)) from no


def _found(request: api.CompareRequest) -> api.CompareResponse:
    table = plain(request.scenario)
    tables = [table]
    if request.HasField("changed"):
        clock = {name: table[name] for name in CLOCK if name in table}
        changed = {name: it for name, it in plain(request.changed).items() if name not in CLOCK}
        tables.append(changed | clock)
    within("agent-hours", sum(agent_hours(it) for it in tables), MOST_AGENT_HOURS)
    base, *others = (scenario(it, {}) for it in tables)
    sides = [base, *(it.with_traffic_of(base) for it in others)]
    within("calls", sum(calls(it) for it in sides), MOST_CALLS)
    runs = [simulated(it) for it in sides]
    found = [simulation(report(it), base.replications) for it in runs]
    if not others:
        return api.CompareResponse(scenario=found[0])
    more = simulation(differences(runs[1], runs[0]), base.replications)
    return api.CompareResponse(scenario=found[0], changed=found[1], difference=more)


def plain(it: Struct) -> dict[str, Any]:
    """Return a table as a file would have it: JSON has no whole numbers, and scenarios have."""
    return {name: _plain(value) for name, value in it.fields.items()}


def _plain(it: Value) -> Any:
    match it.WhichOneof("kind"):
        case "struct_value":
            return plain(it.struct_value)
        case "list_value":
            return [_plain(one) for one in it.list_value.values]
        case "number_value":
            number = it.number_value
            return int(number) if number.is_integer() and abs(number) <= _EXACT else number
        case "string_value":
            return it.string_value
        case "bool_value":
            return it.bool_value
        case _:
            return None


def _main(question: bytes) -> bytes:
    try:
        return answered(suppose(api.CompareRequest.FromString(question)))
    except Invalid as no:
        return refused(no)
    except MemoryError:
        return refused(SimulationTooLong())


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_S, MOST_CPU_S))
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
    sys.stdout.buffer.write(_main(sys.stdin.buffer.read()))
