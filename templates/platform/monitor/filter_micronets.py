"""Makes `pio device monitor` show the self-test's lines ("MN,...") as sentences."""

from platformio.device.monitor.filters.base import DeviceMonitorFilterBase

PREFIX = "MN,"
# What is longer is no line of the protocol.
LONGEST = 4096


class MicronetsFilter(DeviceMonitorFilterBase):
    NAME = "micronets"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._held = ""
        self._line_begun = False
        self._labelled = self._correct = 0
        self._unit = "ticks"
        self._scale = 1

    def rx(self, text):
        *lines, rest = (self._held + text).split("\n")
        self._held = ""
        shown = []
        for line in lines:
            shown.append(line if self._line_begun else self.translate(line))
            self._line_begun = False
        # The start of a line waits until it is clear whose it is.
        ours = (rest.startswith(PREFIX) and len(rest) <= LONGEST) or PREFIX.startswith(rest)
        if rest and not self._line_begun and ours:
            self._held, rest = rest, ""
        self._line_begun = self._line_begun or bool(rest)
        return "".join(f"{line}\n" for line in shown) + rest

    def translate(self, line):
        """Return the sentence for a line of the protocol; any other line as it is."""
        kind, *fields = line.strip()[len(PREFIX) :].split(",") if line.startswith(PREFIX) else [""]
        if kind and not line.strip().isprintable():
            return f"{line.strip()!a}\r"  # nothing that could steer the terminal
        try:
            sentence = self._sentence(kind, fields)
        except (IndexError, TypeError, ValueError, ZeroDivisionError):
            return line
        return line if sentence is None else f"{sentence}\r"

    def _sentence(self, kind, fields):
        if kind == "begin":
            self._labelled = self._correct = 0
            return "--- self-test"
        if kind == "board":
            note = " (internal oscillator: the external one did not start)" if fields[2] == "fallback" else ""
            return f"board     {fields[0]} at {_number(fields[1]) / 1e6:g} MHz{note}"
        if kind == "model":
            return f"model     {fields[0]} ({fields[1]})"
        if kind == "counter":
            self._unit, self._scale = fields[0], _number(fields[1]) / _number(fields[2])
            return f"counter   {self._unit}, steps of {self._scale:g}"
        if kind in ("startup", "invoke"):
            return f"{kind:9} {self._count(fields[0])} {self._unit}"
        if kind == "layer":
            index, name, operator, macs, ticks = fields
            return f"  {index:>3} {name:32} {operator:24} {macs:>11} MACs {self._count(ticks):>13}"
        if kind == "build":
            return f"build     {fields[0]}"
        if kind == "byte":
            return f"  byte {fields[0]}: expected {fields[1]}, got {fields[2]}"
        if kind == "vector":
            return self._vector(*fields)
        if kind == "result":
            accuracy = f"accuracy  {self._correct} of {self._labelled}\n" if self._labelled else ""
            return f"{accuracy}result    {fields[0]}, {fields[1]} of {fields[2]} vectors"
        if kind == "fault":
            return f"FAULT     {fields[0]} at {fields[1]}"
        if kind == "end":
            return "--- end"
        return None

    def _vector(self, index, verdict, mismatches, label=None, predicted=None):
        sentence = f"vector {index}: {verdict}"
        if verdict == "FAIL":
            sentence += f", {mismatches} bytes differ"
        if label is not None:
            self._labelled += 1
            self._correct += label == predicted
            sentence += f", class {label}" + ("" if label == predicted else f" taken for {predicted}")
        return sentence

    def _count(self, ticks):
        return f"{_number(ticks) * self._scale:,.0f}"


def _number(text):
    if len(text) > 10:
        raise ValueError("no number of 32 bits")
    return int(text)
