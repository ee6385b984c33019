"""The protocol's lines become a result, or an error that says which line is wrong."""

from __future__ import annotations

import dataclasses
import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from micronets_gen.emulate.errors import EmulationError
from micronets_gen.emulate.lines import LINE_LIMIT, shown
from micronets_gen.emulate.protocol import OUTPUT_LIMIT, ProtocolReader
from micronets_gen.emulate.result import Difference, Identity, LayerCount, RunResult, VectorResult
from micronets_gen.emulate.text import as_json, summary
from micronets_gen.report.values import FirmwareRun

RUN = """\
MN,begin,2
MN,board,nucleo_f746zg,216000000,ok
MN,model,digits,aot
MN,build,c0ffee
MN,counter,cycles,1,1
MN,startup,120
MN,invoke,30000
MN,layer,0,conv_0,CONV_2D,8000,20000
MN,layer,1,softmax,SOFTMAX,0,9000
MN,vector,0,PASS,0,7,7
MN,vector,1,PASS,0,7,1
MN,result,PASS,2,2
MN,end
"""
VECTORS = (VectorResult(0, True, 0, (), 7, 7), VectorResult(1, True, 0, (), 7, 1))


def read(text: str) -> ProtocolReader:
    reader = ProtocolReader()
    reader.feed(text.encode())
    return reader


def replaced(old: str, new: str) -> str:
    assert old in RUN
    return RUN.replace(old, new)


def test_a_complete_run() -> None:
    assert read(RUN).result("somewhere") == RunResult(
        passed=True,
        ran_on="somewhere",
        board="nucleo_f746zg",
        runtime="aot",
        model="digits",
        build="c0ffee",
        unit="cycles",
        count=30000,
        startup=120,
        granularity=1.0,
        clock_hz=216_000_000,
        clock_note="",
        vectors=VECTORS,
        layers=(
            LayerCount(0, "conv_0", "CONV_2D", 8000, 20000),
            LayerCount(1, "softmax", "SOFTMAX", 0, 9000),
        ),
        output=RUN,
    )


FAILED = replaced("MN,vector,1,PASS,0,7,1", "MN,byte,17,250,12\nMN,vector,1,FAIL,3,7,1").replace(
    "PASS,2,2", "FAIL,1,2"
)


@given(st.data())
def test_it_does_not_matter_how_the_bytes_arrive(data: st.DataObject) -> None:
    stream = RUN.replace("\n", "\r\n").encode()
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=20)))
    lines: list[str] = []
    reader = ProtocolReader(lines.append)
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        assert not reader.finished or start == len(stream)
        reader.feed(stream[start:end])
    assert reader.finished
    assert reader.result("") == read(RUN).result("")
    assert lines == RUN.splitlines()


def test_the_application_may_write_between_the_lines() -> None:
    text = replaced("MN,startup", "temperature 21 C\n MN,this is no line of the protocol\nMN,startup")
    assert read(text).result("").count == 30000
    assert read(text).result("").output == text


@pytest.mark.parametrize(
    "noise", ["MN,vector,7,PASS,0\nMN,end\n", "\x00\xff\x7f", "MN,nonsense\n", "N,end\n"]
)
def test_what_comes_before_the_beginning_is_ignored(noise: str) -> None:
    reader = ProtocolReader()
    reader.feed(noise.encode("latin-1") + RUN.encode())
    assert reader.result("").passed


def test_what_comes_after_the_end_is_ignored() -> None:
    assert read(RUN + "MN,begin,2\nMN,rubbish\n").result("").passed


def test_the_last_line_needs_no_line_end() -> None:
    reader = read(RUN.rstrip("\n"))
    assert not reader.finished
    reader.close()
    assert reader.finished


@pytest.mark.parametrize(
    ("counter", "cycle", "wanted"),
    [
        ("cycles,1,1", None, ("cycles", 30000, 120, 1.0)),
        ("cycles,1,1", Fraction(1), ("instructions", 30000, 120, 1.0)),
        ("cycles,1,1", Fraction(125, 4), ("instructions", 937500, 3750, 31.25)),
        ("instructions,40,1", Fraction(40), ("instructions", 1200000, 4800, 40.0)),
        ("instructions,125,4", None, ("instructions", 937500, 3750, 31.25)),
        ("instructions,1,16", None, ("instructions", 1875, 8, 0.0625)),  # 7.5 is rounded up
    ],
)
def test_ticks_become_the_unit(
    counter: str, cycle: Fraction | None, wanted: tuple[str, int, int, float]
) -> None:
    result = read(replaced("cycles,1,1", counter)).result("", cycle=cycle)
    assert (result.unit, result.count, result.startup, result.granularity) == wanted


def test_a_failed_vector_carries_its_first_difference() -> None:
    result = read(FAILED).result("")
    assert not result.passed
    assert result.vectors[1] == VectorResult(1, False, 3, (Difference(17, 250, 12),), 7, 1)


def test_a_verdict_that_contradicts_the_vectors_is_no_pass() -> None:
    assert (
        not read(replaced("MN,vector,1,PASS,0,7,1", "MN,byte,17,250,12\nMN,vector,1,FAIL,3,7,1"))
        .result("")
        .passed
    )
    assert not read(replaced("MN,result,PASS", "MN,result,FAIL")).result("").passed


def test_no_profile_and_no_labels() -> None:
    lines = [line.removesuffix(",7,7").removesuffix(",7,1") for line in RUN.splitlines()]
    lines = [line for line in lines if not line.startswith("MN,layer")]
    result = read("\n".join(lines) + "\n").result("")
    assert (result.layers, result.correct, result.labelled) == ((), 0, 0)


def test_a_clock_that_fell_back_is_noted() -> None:
    result = read(replaced("216000000,ok", "16000000,fallback")).result("")
    assert result.clock_hz == 16_000_000
    assert result.clock_note == "the external oscillator did not start; the internal one is in use"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("MN,startup", "1 fields were to come, not 0"),
        ("MN,startup,12,13", "1 fields were to come, not 2"),
        ("MN,startup,-1", "ticks is '-1', not an unsigned decimal number"),
        ("MN,startup,0x10", "ticks is '0x10', not an unsigned decimal number"),
        ("MN,startup,١٢", "ticks is '١٢', not an unsigned decimal number"),
        ("MN,startup,", "ticks is '', not an unsigned decimal number"),
        ("MN,board,a,1,broken", "'broken' is none of ok, fallback"),
        ("MN,model,a", "2 fields were to come, not 1"),
        ("MN,model,digits,aot", "a second 'model' line in one run"),
        ("MN,counter,cycles,1,0", "a ratio has no zero"),
        ("MN,counter,seconds,1,1", "'seconds' is none of cycles, instructions"),
        ("MN,layer,5,a,B,1,2", "layer 0 was to come"),
        ("MN,layer,0,a,B,1", "5 fields were to come, not 4"),
        ("MN,vector,1,PASS,0", "vector 0 was to come"),
        ("MN,vector,0,FAIL,1,2", "3 or 5 fields were to come, not 4"),
        ("MN,vector,0,PASS,4", "a vector passes where no byte differs, and only there"),
        ("MN,vector,0,FAIL,4", "0 bytes that differ came before it"),
        ("MN,vector,0,OK,0", "'OK' is none of PASS, FAIL"),
        ("MN,byte,1,2,256", "a byte is 256"),
        ("MN,startup,4294967296", "ticks is '4294967296', more than 32 bits hold"),
        ("MN,result,PASS,3,2", "more vectors passed than there are"),
        ("MN,fault,hard,somewhere", "address is 'somewhere'"),
        ("MN,end,now", "0 fields were to come, not 1"),
        ("MN,fault,hard,0x1_0", "address is '0x1_0'"),
        ("MN,power,3", "version 2 of the protocol has no kind 'power'"),
        ("MN,begin,2", "the firmware began twice: it was reset in between"),
    ],
)
def test_a_malformed_line_is_named(line: str, why: str) -> None:
    with pytest.raises(EmulationError) as raised:
        read(replaced("MN,counter", f"{line}\nMN,counter"))
    assert raised.value.what == f"malformed line {line!r}: {why}"
    assert "lib/selftest" in raised.value.remedy


def test_another_version_is_refused_at_once() -> None:
    with pytest.raises(
        EmulationError, match="speaks version 1 of the protocol, and this program reads version 2"
    ):
        read("MN,begin,1\n")


def test_a_reset_begins_anew_on_a_real_board() -> None:
    reader = ProtocolReader(restartable=True)
    reader.feed(RUN.partition("MN,vector,1")[0].encode() + RUN.encode())
    assert reader.result("").vectors == VECTORS


@pytest.mark.parametrize(
    ("text", "what", "why"),
    [
        ("", "the firmware wrote nothing", ""),
        ("hello\n", "the firmware never wrote MN,begin", "the last line is 'hello'"),
        ("MN,begin,2\nMN,sta", "the firmware did not reach MN,end", "the last line is 'MN,begin,2'"),
        (
            RUN.removesuffix("MN,end\n"),
            "the firmware did not reach MN,end",
            "the last line is 'MN,result,PASS,2,2'",
        ),
    ],
)
def test_an_unfinished_run(text: str, what: str, why: str) -> None:
    reader = read(text)
    assert not reader.finished
    with pytest.raises(EmulationError) as raised:
        reader.result("")
    assert (raised.value.what, raised.value.why) == (what, why)


@pytest.mark.parametrize("kind", ["board", "model", "build", "counter", "startup", "invoke", "result"])
def test_a_line_that_was_left_out_is_named(kind: str) -> None:
    lines = [line for line in RUN.splitlines() if not line.startswith(f"MN,{kind}")]
    with pytest.raises(EmulationError, match=f"the firmware left out MN,{kind}"):
        read("\n".join(lines) + "\n").result("")


def test_vectors_that_were_announced_and_never_came() -> None:
    with pytest.raises(EmulationError, match="the firmware announced 9 vectors and reported 2"):
        read(replaced("PASS,2,2", "PASS,2,9")).result("")


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("hard", "hard fault"),
        ("stack", "the stack overflowed"),
        ("interrupt", "an interrupt came that nobody handles"),
        ("assertion", "'assertion'"),
    ],
)
def test_a_fault_ends_the_run(what: str, sentence: str) -> None:
    reader = read(f"MN,fault,{what},0x080001a4\n")
    assert reader.finished
    with pytest.raises(EmulationError) as raised:
        reader.result("", locate="<{:x}>".format)
    assert raised.value.what == f"the firmware stopped in its fault handler: {sentence}"
    assert raised.value.where == "<80001a4>"


@given(st.binary(max_size=200))
def test_no_noise_breaks_the_reader(noise: bytes) -> None:
    reader = ProtocolReader()
    reader.feed(noise)
    reader.close()
    assert not reader.begun or b"MN,begin,2" in noise


@given(st.lists(st.sampled_from(RUN.splitlines()), max_size=20))
def test_lines_in_any_order_give_a_result_or_a_clear_error(lines: list[str]) -> None:
    try:
        read("".join(line + "\n" for line in lines)).result("")
    except EmulationError as error:
        assert error.what  # noqa: PT017 - either outcome is right, anything else is not


def test_the_summary_is_a_readable_table() -> None:
    assert summary(read(RUN).result("QEMU mps2-an386", cycle=Fraction(40))) == (
        "nucleo_f746zg: digits (aot) in QEMU mps2-an386\n"
        "\n"
        "layer       operator   MACs  instructions  instructions/MAC   share\n"
        "-------------------------------------------------------------------\n"
        "conv_0      CONV_2D   8,000       800,000            100.00  66.7 %\n"
        "softmax     SOFTMAX       0       360,000                    30.0 %\n"
        "-------------------------------------------------------------------\n"
        "all layers            8,000     1,160,000            145.00  96.7 %\n"
        "\n"
        "one inference: 1,200,000 instructions; start-up: 4,800\n"
        "(the counter advances by 40 instructions)\n"
        "accuracy: 1 of 2 labelled vectors\n"
        "vector 1: class 7 taken for 1\n"
        "PASS: 2 of 2 vectors byte-exact"
    )


def test_the_summary_of_a_failure_shows_the_first_difference() -> None:
    assert summary(read(FAILED).result("a desk")).endswith(
        "vector 1: 3 bytes differ, the first at 17: expected 0xfa, got 0x0c; class 7 taken for 1\n"
        "FAIL: 1 of 2 vectors byte-exact"
    )


def test_json_has_the_names_that_the_verb_has() -> None:
    data = as_json(read(RUN).result("a desk"))
    assert (data["count"], data["startup"], data["unit"], data["passed"]) == (30000, 120, "cycles", True)
    assert (data["ran_on"], data["vector_count"], data["vectors_passed"]) == ("a desk", 2, 2)
    assert set(data) - {field.name for field in dataclasses.fields(FirmwareRun)} == {"output"}
    assert data["layers"][0] == {
        "index": 0,
        "name": "conv_0",
        "op": "CONV_2D",
        "macs": 8000,
        "count": 20000,
    }


IDENTITY = Identity("nucleo_f746zg", "digits", "aot", 2, ("abba", "c0ffee"))


def test_a_run_of_the_project_passes() -> None:
    assert read(RUN).result("", identity=IDENTITY).passed


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("MN,board,nucleo_f746zg", "MN,board,other", "its board is 'other', the project's nucleo_f746zg"),
        ("MN,model,digits", "MN,model,kws", "its model is 'kws', the project's digits"),
        ("digits,aot", "digits,tflm", "its runtime is 'tflm', the project's aot"),
        ("MN,build,c0ffee", "MN,build,0ddba11", "its build is '0ddba11', the project's abba or c0ffee"),
        ("MN,build,c0ffee", "MN,build,", "its build is '', the project's abba or c0ffee"),
        (
            "MN,vector,1,PASS,0,7,1\nMN,result,PASS,2,2",
            "MN,result,PASS,1,1",
            "its number of vectors is 1, the project's 2",
        ),
    ],
)
def test_another_firmware_is_no_pass(old: str, new: str, why: str) -> None:
    reader = read(replaced(old, new))
    with pytest.raises(EmulationError, match="this firmware is not the project's") as raised:
        reader.result("", identity=IDENTITY)
    assert raised.value.why == why


def test_a_firmware_that_tries_its_arena_runs_one_vector() -> None:
    one = replaced("MN,vector,1,PASS,0,7,1\nMN,result,PASS,2,2", "MN,result,PASS,1,1")
    assert read("MN,arena,1,2,3,4,5\n" + one).result("", identity=IDENTITY).passed


def test_no_vector_is_no_pass() -> None:
    lines = [line for line in RUN.splitlines() if not line.startswith("MN,vector")]
    none = "\n".join(lines).replace("PASS,2,2", "PASS,0,0") + "\n"
    assert not read(none).result("").passed


def test_a_line_has_a_limit() -> None:
    lines: list[str] = []
    reader = ProtocolReader(lines.append)
    for _ in range(1000):
        reader.feed(b"x" * 1000)
    reader.feed(b"\n" + RUN.encode())
    assert lines[0] == "x" * LINE_LIMIT + " [cut]"
    assert reader.result("").passed


def test_a_line_that_is_too_long_is_no_line_of_the_protocol() -> None:
    with pytest.raises(EmulationError) as raised:
        read(replaced("MN,counter", "MN,layer,0," + "a" * 5000 + ",B,1,2\nMN,counter"))
    assert len(raised.value.what) < 300


def test_what_is_kept_of_the_output_has_a_limit() -> None:
    reader = ProtocolReader()
    for _ in range(OUTPUT_LIMIT // 1000 + 100):
        reader.feed(b"y" * 999 + b"\n")
    reader.feed(RUN.encode())
    output = reader.result("").output
    assert len(output) < OUTPUT_LIMIT + 100
    assert re.search(r"^\[\d+ more lines\]$", output.splitlines()[-1])


def test_control_characters_are_escaped_in_messages() -> None:
    reader = read("\x1b[2J" + "z" * 1000 + "\n")
    with pytest.raises(EmulationError) as raised:
        reader.result("")
    assert raised.value.why == "the last line is '\\x1b[2J" + "z" * 156 + "…'"
    with pytest.raises(EmulationError) as raised:
        read("MN,fault,\x1b]0;owned\x07,0x0\n")
    assert "\x1b" not in str(raised.value)


@given(st.text())
def test_a_shown_line_cannot_steer_a_terminal(line: str) -> None:
    assert shown(line).replace("\t", "").isprintable()


def test_layers_have_a_limit() -> None:
    layers = "".join(f"MN,layer,{i},a,B,1,2\n" for i in range(70_000))
    with pytest.raises(EmulationError, match="more than 65,536 layers"):
        read("MN,begin,2\n" + layers)
