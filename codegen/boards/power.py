"""What a microcontroller takes while it computes and while it sleeps, and what that means for a battery.

Power hardly depends on the network (arXiv:2010.11267, section 3), so the energy of an inference is power times time.
What is uncertain on its own is combined as the root of the sum of squares (docs/energy.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot


@dataclass(frozen=True)
class Sleep:
    """The current of the deepest sleep that keeps RAM, at :attr:`Power.supply_volts`.

    Attributes:
        current_ua: Microamperes.
        percent: How far it may be off, either way.
        conditions: Mode, supply, temperature: what the source states of them.
        source: Who published it, and where.
    """

    current_ua: float
    percent: float
    conditions: str
    source: str


@dataclass(frozen=True)
class Energy:
    """Energy of one inference.

    Attributes:
        microjoules: Of one inference.
        percent: How far it may be off, either way.
    """

    microjoules: float
    percent: float


@dataclass(frozen=True)
class DutyCycle:
    """What one inference every so often takes, with deep sleep in between.

    Attributes:
        every_s: Seconds from one inference to the next.
        average_uw: Microwatts, on average.
        average_error_percent: How far they, and what follows from them, may be off, either way.
        battery_mah: Milliampere hours of the battery; None where none was named.
        battery_days: How long it lasts.
    """

    every_s: float
    average_uw: float
    average_error_percent: float
    battery_mah: float | None = None
    battery_days: float | None = None


@dataclass(frozen=True)
class Power:
    """Power of a board's microcontroller.

    Attributes:
        active_mw: Milliwatts while it computes.
        percent: How far they may be off, either way.
        supply_volts: Of the microcontroller.
        clock_hz: Of the core, while it took ``active_mw``.
        conditions: What else is known of how that was measured, and what is not.
        source: Who published it, and where.
        sleep: None where no figure is known.
    """

    active_mw: float
    percent: float
    supply_volts: float
    clock_hz: int
    conditions: str
    source: str
    sleep: Sleep | None = None

    def energy(self, milliseconds: float, percent: float) -> Energy:
        """Return the energy of an inference.

        Args:
            milliseconds: It takes.
            percent: How far they may be off.
        """
        return Energy(self.active_mw * milliseconds, hypot(self.percent, percent))

    def duty_cycle(
        self, milliseconds: float, percent: float, every_s: float, battery_mah: float | None = None
    ) -> DutyCycle:
        """Return what one inference every ``every_s`` takes.

        Args:
            milliseconds: An inference takes, no more than the period.
            percent: How far they may be off.
            every_s: The period, in seconds.
            battery_mah: Capacity of a battery that is connected to the supply without a converter.

        Raises:
            ValueError: no current in sleep is known, or the inference takes longer than the period.
        """
        asleep_s = every_s - milliseconds / 1e3
        if self.sleep is None or asleep_s < 0:
            raise ValueError("no sleep")
        inference = self.energy(milliseconds, percent)
        asleep_uj = self.sleep.current_ua * self.supply_volts * asleep_s
        all_uj = inference.microjoules + asleep_uj
        error = hypot(inference.microjoules * inference.percent, asleep_uj * self.sleep.percent) / all_uj
        average_uw = all_uj / every_s
        days = None if battery_mah is None else battery_mah * self.supply_volts * 1e3 / average_uw / 24
        return DutyCycle(every_s, average_uw, error, battery_mah, days)
