"""How many kernels a step has, from what XLA compiled it to."""

import re

_LAUNCHED = ("fusion", "dot", "convolution", "custom-call", "scatter", "sort", "reduce", "copy")  # one kernel each
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?\S+ = .*? ([a-z][a-z-]*)\(", re.MULTILINE)
_BUFFER = re.compile(r"^.* call\(.*to_apply=%?(command_buffer[\w.-]*).*$", re.MULTILINE)  # launched as one, by a GPU
_LOOP = re.compile(r"body=%?([\w.-]+)(?:.*?known_trip_count\"?:\{\"?n\"?:\"(\d+)\")?")


def counted(hlo: str) -> str:
    """Kernels outside of loops, and of every loop those of a turn and how often it turns; in a sentence."""
    bodies = dict(re.findall(r"^(?:ENTRY )?%?(\S+) \(.*?\{\n(.*?)^\}", hlo, re.M | re.S))
    bodies = {name: _BUFFER.sub(lambda call: bodies[call[1]], body) for name, body in bodies.items()}
    [entry] = re.findall(r"^ENTRY %?(\S+) ", hlo, re.M)
    outside = kernels_of(bodies[entry])
    loops = [(kernels_of(bodies[name]), int(times or 0)) for name, times in _LOOP.findall(bodies[entry])]
    told = ", ".join(f"{times or '?'} × {kernels}" for kernels, times in loops)
    total = outside + sum(kernels * times for kernels, times in loops)
    return f"{outside} kernels outside of loops and {told or 'none'} in loops, {total} in all"


def kernels_of(computation: str) -> int:
    """How many of a computation's instructions are kernels."""
    return sum(kind in _LAUNCHED for kind in _INSTRUCTION.findall(computation))
