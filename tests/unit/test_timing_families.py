"""Memories of parts with a Cortex-M7, as the registers of their firmware say."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from micronets_gen.timing.families import memory_of
from micronets_gen.timing.memory import Memory, Span

_F7_ACR, _H7_ACR, _CDCFGR1, _CCR = 0x4002_3C00, 0x5200_2000, 0x5802_4418, 0xE000_ED14
_CACHES_ON = 3 << 16
_FLASH, _DTCM, _RAM = 0x0800_1000, 0x2000_0000, 0x2002_0000


def registers(values: Mapping[int, int]) -> Callable[[int], int]:
    return lambda address: values.get(address, 0)


def span_at(memory: Memory, address: int) -> Span | None:
    return next((span for span in memory.spans if span.first <= address <= span.last), None)


def misses(memory: Memory, address: int) -> tuple[int, int, int]:
    """Of a fetch, a load and a store."""
    span = span_at(memory, address)
    assert span is not None
    assert span.fetch_next == span.fetch_miss
    return span.fetch_miss, span.data_miss, span.store_miss


def shapes(memory: Memory) -> list[tuple[int, int, int]]:
    return [(cache.line, cache.sets, cache.ways) for cache in memory.caches]


def test_stm32f746_at_seven_wait_states() -> None:
    memory = memory_of("stm32f7", registers({_F7_ACR: 0x307, _CCR: _CACHES_ON}), dtcm=64 << 10)
    assert shapes(memory) == [(32, 64, 2), (32, 32, 4)]
    assert [cache.size for cache in memory.caches] == [4096, 4096]
    assert misses(memory, _FLASH) == (5 + 8, 5 + 8, 0)
    assert misses(memory, _RAM) == (5 + 2, 5 + 2, 0)
    assert span_at(memory, _DTCM) is None
    assert span_at(memory, _DTCM + (64 << 10)) is not None
    assert memory.description == (
        "flash of 7 wait states, bus at the core's clock, instruction cache of 4,096 bytes, data cache of 4,096 bytes"
    )


def test_stm32f767_has_larger_caches_and_tightly_coupled_memory() -> None:
    memory = memory_of("stm32f7", registers({_F7_ACR: 0x307, _CCR: _CACHES_ON}), dtcm=128 << 10)
    assert [cache.size for cache in memory.caches] == [16384, 16384]
    assert span_at(memory, _DTCM + (64 << 10)) is None


def test_stm32h7_counts_the_cycles_of_its_bus() -> None:
    settings = {_H7_ACR: 0x16, _CCR: _CACHES_ON, _CDCFGR1: 0x70}
    full = memory_of("stm32h7", registers(settings), dtcm=128 << 10)
    assert shapes(full) == [(32, 256, 2), (32, 128, 4)]
    assert (misses(full, _FLASH), misses(full, _RAM)) == ((12, 12, 0), (6, 6, 0))
    half = memory_of("stm32h7", registers({**settings, _CDCFGR1: 0x48}), dtcm=128 << 10)
    assert (misses(half, _FLASH), misses(half, _RAM)) == ((24, 24, 0), (12, 12, 0))
    assert "the core's clock / 2" in half.description


def test_without_its_caches_a_cortex_m7_reads_each_word_over_the_bus() -> None:
    memory = memory_of("stm32f7", registers({_F7_ACR: 7}), dtcm=64 << 10)
    assert shapes(memory) == [(8, 1, 1)]
    span = span_at(memory, _FLASH)
    assert span is not None
    assert (span.data, span.data_miss) == (None, 13)
    assert "no data cache" in memory.description
