"""Checks an image against flash and RAM limits.

By hand: python pio/micronets/tools/budget.py .pio/build/<env>/firmware.elf --flash 262144 --ram 131072
"""

import argparse
import sys
from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile


def measure(elf):
    """Return bytes of ``flash`` (what is programmed) and ``ram`` (data, bss, arena, stack) of an ELF file."""
    used = {"flash": 0, "ram": 0}
    with Path(elf).open("rb") as stream:
        image = ELFFile(stream)
        # The linker script reserves the stack with this symbol instead of a section.
        for symbol in image.get_section_by_name(".symtab").get_symbol_by_name("_stack_bytes") or ():
            used["ram"] += symbol["st_value"]
        for section in image.iter_sections():
            if not section["sh_flags"] & SH_FLAGS.SHF_ALLOC:
                continue
            if section["sh_type"] != "SHT_NOBITS":
                used["flash"] += section["sh_size"]
            if section["sh_flags"] & SH_FLAGS.SHF_WRITE:
                used["ram"] += section["sh_size"]
    return used


def check(elf, limits):
    """Print a line for each limit; return 0 where all hold, else 1."""
    used = measure(elf)
    status = 0
    for name, limit in limits.items():
        spare = limit - used[name]
        verdict = f"{spare} spare" if spare >= 0 else f"EXCEEDED by {-spare}"
        print(f"{name:5}: {used[name]} of {limit} bytes, {verdict}")
        status |= spare < 0
    if not limits:
        print("no limits are set: add custom_flash_budget and custom_ram_budget to user.ini")
    elif status:
        print("make the firmware smaller, or raise custom_flash_budget or custom_ram_budget in user.ini")
    return int(status)


def main():
    parser = argparse.ArgumentParser(description="Check an image against flash and RAM limits.")
    parser.add_argument("elf")
    parser.add_argument("--flash", type=lambda text: int(text, 0), help="bytes")
    parser.add_argument("--ram", type=lambda text: int(text, 0), help="bytes")
    options = parser.parse_args()
    limits = {"flash": options.flash, "ram": options.ram}
    return check(options.elf, {name: limit for name, limit in limits.items() if limit is not None})


if __name__ == "__main__":
    sys.exit(main())
