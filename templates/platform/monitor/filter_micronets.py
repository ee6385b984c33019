"""Makes `pio device monitor` show the self-test's lines ("MN,...") as sentences."""

from platformio.device.monitor.filters.base import DeviceMonitorFilterBase

PREFIX = "MN,"


class MicronetsFilter(DeviceMonitorFilterBase):
    NAME = "micronets"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._held = ""
        self._line_begun = False
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
        if rest and not self._line_begun and (rest.startswith(PREFIX) or PREFIX.startswith(rest)):
            self._held, rest = rest, ""
        self._line_begun = self._line_begun or bool(rest)
        return "".join(f"{line}\n" for line in shown) + rest

    def translate(self, line):
        """Return the sentence for a line of the protocol; any other line as it is."""
        kind, *fields = line.strip()[len(PREFIX) :].split(",") if line.startswith(PREFIX) else [""]
        try:
            sentence = self._sentence(kind, fields)
        except (IndexError, ValueError, ZeroDivisionError):
            return line
        return line if sentence is None else f"{sentence}\r"

    def _sentence(self, kind, fields):
        if kind == "begin":
            return "--- self-test"
        if kind == "board":
            note = " (internal oscillator: the external one did not start)" if fields[2] == "fallback" else ""
            return f"board     {fields[0]} at {int(fields[1]) / 1e6:g} MHz{note}"
        if kind == "model":
            return f"model     {fields[0]} ({fields[1]})"
        if kind == "counter":
            self._unit, self._scale = fields[0], int(fields[1]) / int(fields[2])
            return f"counter   {self._unit}, steps of {self._scale:g}"
        if kind in ("startup", "invoke"):
            return f"{kind:9} {self._count(fields[0])} {self._unit}"
        if kind == "layer":
            index, name, operator, macs, ticks = fields
            return f"  {index:>3} {name:32} {operator:24} {macs:>11} MACs {self._count(ticks):>13}"
        if kind == "vector" and fields[1] == "FAIL":
            return (
                f"vector {fields[0]}: FAIL, {fields[2]} bytes differ, "
                f"first at byte {fields[3]}: expected {fields[4]}, got {fields[5]}"
            )
        if kind == "vector":
            return f"vector {fields[0]}: {fields[1]}"
        if kind == "accuracy":
            return f"accuracy  {fields[0]} of {fields[1]}"
        if kind == "result":
            return f"result    {fields[0]}, {fields[1]} of {fields[2]} vectors"
        if kind == "fault":
            return f"FAULT     {fields[0]} at {fields[1]}"
        if kind == "end":
            return "--- end"
        return None

    def _count(self, ticks):
        return f"{int(ticks) * self._scale:,.0f}"
