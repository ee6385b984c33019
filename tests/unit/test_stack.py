"""The worst-case stack, against what programs really use (painted, in QEMU) and the compiler's figures."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from micronets_gen.errors import ToolError
from micronets_gen.image.stack import StackReport, analyse_stack, read_usage

GCC = shutil.which("arm-none-eabi-gcc")
QEMU = shutil.which("qemu-system-arm")
needs_gcc = pytest.mark.needs("compiler")
needs_qemu = pytest.mark.needs("compiler", "qemu")

M4 = ("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")
M4_SOFT = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=soft")
M55 = ("-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard")

LINKER = """
ENTRY(Reset_Handler)
MEMORY { FLASH (rx) : ORIGIN = 0x0, LENGTH = 4M
         RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 4M }
SECTIONS {
  .isr_vector : { KEEP(*(.isr_vector)) } > FLASH
  .text : { *(.text .text.*) *(.rodata .rodata.*) } > FLASH
  .ARM.exidx : { *(.ARM.exidx*) } > FLASH
  .init_array : { KEEP(*(.init_array)) } > FLASH
  .data : { *(.data .data.*) } > RAM AT> FLASH
  .bss (NOLOAD) : { _bss_start = .; *(.bss .bss.* COMMON) _bss_end = .; } > RAM
  end = .;
  _stack_limit = 0x20100000;
  _stack_top = 0x20110000;
}
"""

# Paints the stack, runs main() and prints the bytes that were touched.
STARTUP = r"""
#include <stdint.h>
extern uint32_t _stack_limit[], _stack_top[];
int main(void);
void Reset_Handler(void);
void start(void);
__attribute__((weak)) void SVC_Handler(void) { for (;;) {} }
__attribute__((section(".isr_vector"), used)) const void *const table[] = {
    _stack_top, (void *)Reset_Handler, 0, 0, 0, 0, 0, 0, 0, 0, 0, (void *)SVC_Handler};

__attribute__((naked, used)) void Reset_Handler(void)
{
    __asm volatile("ldr r0, =_stack_limit\n ldr r1, =_stack_top\n ldr r2, =0xA5A5A5A5\n"
                   "1: str r2, [r0], #4\n cmp r0, r1\n blo 1b\n"
                   "ldr r0, =0xE000ED88\n ldr r1, [r0]\n orr r1, r1, #0xF00000\n str r1, [r0]\n dsb\n isb\n"
                   "b start\n .ltorg");
}

static char text[9];
static void semihosting(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = argument;
    __asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

__attribute__((used)) void start(void)
{
    main();
    const uint32_t *low = _stack_limit;
    while (*low == 0xA5A5A5A5)
        ++low;
    uint32_t used = (uint32_t)_stack_top - (uint32_t)low;
    for (int i = 7; i >= 0; --i, used >>= 4)
        text[i] = "0123456789abcdef"[used & 15];
    semihosting(4, text);
    static const uint32_t leave[2] = {0x20026, 0};
    semihosting(0x20, leave);
    for (;;) {
    }
}
"""

TOUCH = """
#include <stdint.h>
#include <string.h>
#define KEEP __attribute__((noinline, noclone))
static void touch(volatile uint8_t *p, int n) { for (int i = 0; i < n; ++i) p[i] = (uint8_t)(i + 1); }
volatile int sink;
"""

CHAIN = """
KEEP static int leaf(int x) { volatile uint8_t b[200]; touch(b, 200); return b[x & 7]; }
KEEP static int middle(int x) { volatile uint8_t b[1000]; touch(b, 1000); return leaf(x) + b[3]; }
KEEP static int shallow(int x) { volatile uint8_t b[40]; touch(b, 40); return b[x & 7]; }
int main(void) { sink = middle(sink) + shallow(sink); return 0; }
"""

LARGE = """
KEEP static int large(int x) { volatile uint8_t b[20000]; touch(b, 20000); return b[x & 7]; }
int main(void) { sink = large(sink) + 1; return 0; }
"""

TAIL = """
KEEP int last(int x) { volatile uint8_t b[600]; touch(b, 600); return b[x & 7]; }
KEEP int first(int x) { { volatile uint8_t b[500]; touch(b, 500); sink += b[x & 7]; } return last(x + 1); }
int main(void) { sink = first(sink) + 1; return 0; }
"""

FLOATS = """
KEEP static float more(float x) { volatile uint8_t b[64]; touch(b, 64); return x + (float)b[1]; }
KEEP static float many(float a, float b, float c, float d)
{
    float e = a * b, f = c * d, g = a - d, h = b + c;
    float s = more(a);
    return s + e * more(f) + g * more(h) + a + b + c + d + more(e + f + g + h);
}
int main(void) { sink = (int)many(1.0f, 2.0f, (float)sink, 4.0f); return 0; }
"""

HANDLER = """
KEEP static int leaf(int x)
{
    volatile uint8_t b[100];
    touch(b, 100);
    __asm volatile("svc 0");
    return b[x & 7];
}
KEEP static float deep(float x) { volatile uint8_t b[300]; touch(b, 300); return x + (float)leaf((int)x); }
KEEP static int work(int x) { volatile uint8_t b[400]; touch(b, 400); return b[x & 7]; }
void SVC_Handler(void) { sink += work(sink); }
int main(void) { sink = (int)deep((float)sink); return 0; }
"""

RESTART = """
KEEP static int work(int x) { volatile uint8_t b[LOCAL]; touch(b, LOCAL); return b[x & 7]; }
__attribute__((used)) void report(void) { sink = work(sink) + 1; for (;;) {} }
__attribute__((naked)) void SVC_Handler(void) { __asm volatile("b again"); }
__attribute__((naked, used)) void again(void)
{ __asm volatile("ldr r0, =_stack_top\\n mov sp, r0\\n b report\\n .ltorg"); }
KEEP static int leaf(int x) { volatile uint8_t b[300]; touch(b, 300); return b[x & 7]; }
int main(void) { sink = leaf(sink) + 1; return 0; }
"""

POINTER = """
KEEP static int one(int x) { volatile uint8_t b[700]; touch(b, 700); return b[x & 7]; }
KEEP static int two(int x) { volatile uint8_t b[30]; touch(b, 30); return b[x & 7]; }
int (*volatile chosen)(int);
KEEP static int call(int x) { return chosen(x) + 1; }
int main(void) { chosen = sink ? two : one; sink = call(sink); return 0; }
"""

LIBRARY = """
#include <stdlib.h>
KEEP static double power(double x, int n) { double y = 1.0; while (n-- > 0) y = y * x / 1.5; return y; }
int main(void)
{
    char a[32], b[32];
    memset(a, sink, sizeof a);
    memcpy(b, a, sizeof b);
    sink = memcmp(a, b, sizeof a) + (int)power(1.25, 5 + sink) + (int)strtol("1234", 0, 10);
    return 0;
}
"""

CIRCLE = """
KEEP static int odd(int n);
KEEP static int even(int n) { volatile uint8_t b[16]; touch(b, 16); return n == 0 ? b[1] : odd(n - 1) + 1; }
KEEP static int odd(int n) { volatile uint8_t b[48]; touch(b, 48); return n == 0 ? b[1] : even(n - 1) + 1; }
int main(void) { sink = even(sink + 3); return 0; }
"""

DYNAMIC = """
KEEP static int any(int n) { volatile uint8_t b[n]; touch(b, n); return b[n / 2]; }
int main(void) { sink = any(64 + sink); return 0; }
"""


def build(folder: Path, source: str, *flags: str, cpu: tuple[str, ...] = M4, optimise: str = "-O2") -> Path:
    """Compile and link a program; its .su files lie beside it."""
    assert GCC is not None
    (folder / "link.ld").write_text(LINKER)
    (folder / "startup.c").write_text(STARTUP)
    (folder / "program.c").write_text(TOUCH + source)
    compile_flags = (*cpu, optimise, "-ffunction-sections", "-fstack-usage", "-Wall", "-Wno-main", *flags)
    for name in ("startup", "program"):
        subprocess.run([GCC, *compile_flags, "-c", f"{name}.c", "-o", f"{name}.o"], cwd=folder, check=True)
    subprocess.run(
        [GCC, *cpu, "-nostartfiles", "--specs=nano.specs", "--specs=nosys.specs",
         "-Wl,--gc-sections,--no-warnings", "-T", "link.ld", "startup.o", "program.o", "-o", "program.elf"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder / "program.elf"


def measured(elf: Path) -> int:
    """Bytes of stack that the program really touched, from QEMU's Cortex-M4."""
    assert QEMU is not None
    run = subprocess.run(
        [QEMU, "-M", "mps2-an386", "-nographic", "-monitor", "none", "-serial", "none",
         "-semihosting-config", "enable=on,target=native", "-kernel", str(elf)],
        check=False, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return int(run.stderr.strip() or run.stdout.strip(), 16)


def thread_bytes(report: StackReport) -> int:
    return sum(frame.bytes for frame in report.path)


@needs_qemu
@pytest.mark.parametrize("optimise", ["-Os", "-O2", "-O0"])
@pytest.mark.parametrize(
    "source", [CHAIN, LARGE, TAIL, FLOATS, LIBRARY], ids=["chain", "large", "tail", "floats", "library"]
)
def test_programs_stay_within_the_worst_case_and_come_close(
    tmp_path: Path, source: str, optimise: str
) -> None:
    elf = build(tmp_path, source, optimise=optimise)
    report = analyse_stack(elf, [tmp_path])
    used = measured(elf)
    assert used <= thread_bytes(report)
    assert not report.at_least
    # Padding, and saved registers on paths that this input does not take.
    assert used >= thread_bytes(report) * 0.9 - 16


@needs_qemu
def test_library_frames_are_read_from_code(tmp_path: Path) -> None:
    elf = build(tmp_path, LIBRARY)
    with_compiler = analyse_stack(elf, [tmp_path])
    from_code = analyse_stack(elf, [])
    assert with_compiler.worst_bytes == from_code.worst_bytes >= measured(elf)
    assert {f.source for f in from_code.path} == {"code"}
    assert "compiler" in {f.source for f in with_compiler.path}


@needs_qemu
@pytest.mark.parametrize(("cpu", "stacked"), [(M4, 108), (M4_SOFT, 36)], ids=["fpu", "soft"])
def test_exception_at_the_deepest_point(tmp_path: Path, cpu: tuple[str, ...], stacked: int) -> None:
    elf = build(tmp_path, HANDLER, cpu=cpu)
    report = analyse_stack(elf, [tmp_path])
    used = measured(elf)
    assert used <= report.worst_bytes
    assert used >= report.worst_bytes - 32
    assert report.handler_path[0].bytes == stacked
    assert [f.function for f in report.handler_path][1:] == ["SVC_Handler", "work"]
    assert [f.function for f in report.path][-1] in {"leaf", "__aeabi_fadd", "__aeabi_i2f"}


@needs_gcc
def test_handler_that_starts_from_the_top_adds_nothing_to_the_thread(tmp_path: Path) -> None:
    report = analyse_stack(build(tmp_path, RESTART, "-DLOCAL=200"), [tmp_path])
    assert [(f.function, f.bytes) for f in report.handler_path] == [("exception", 108), ("SVC_Handler", 0)]
    assert [f.function for f in report.path][-1] == "leaf"
    assert report.worst_bytes == thread_bytes(report) + 108
    report = analyse_stack(build(tmp_path, RESTART, "-DLOCAL=2000"), [tmp_path])
    assert report.handler_path == ()
    assert [f.function for f in report.path] == ["again", "report", "work"]
    assert 2000 <= report.worst_bytes <= 2032


@needs_qemu
def test_calls_through_pointers_are_reported_unless_resolved(tmp_path: Path) -> None:
    elf = build(tmp_path, POINTER)
    blind = analyse_stack(elf, [tmp_path])
    assert blind.at_least
    assert blind.unknown == ("call",)
    assert thread_bytes(blind) < measured(elf)
    told = analyse_stack(elf, [tmp_path], indirect={"call": ("one", "two")})
    assert not told.at_least
    assert [f.function for f in told.path][-2:] == ["call", "one"]
    assert measured(elf) <= thread_bytes(told) <= measured(elf) + 16


@needs_gcc
def test_recursion_is_reported(tmp_path: Path) -> None:
    report = analyse_stack(build(tmp_path, CIRCLE), [tmp_path])
    assert report.recursive == (("even", "odd"),)
    assert report.at_least
    assert {"even", "odd"} <= {f.function for f in report.path}


@needs_gcc
def test_frames_without_a_bound_are_reported(tmp_path: Path) -> None:
    elf = build(tmp_path, DYNAMIC)
    for usage in ([tmp_path], []):
        report = analyse_stack(elf, usage)
        assert report.dynamic == ("any",)
        assert report.at_least


VARIETY = """
struct big { int v[300]; };
int sum(int n, ...);
float f8(float, float, float, float, float, float, float, float);
KEEP int variadic(int n, ...)
{
    __builtin_va_list a; __builtin_va_start(a, n);
    int s = 0; while (n--) s += __builtin_va_arg(a, int);
    __builtin_va_end(a); return s;
}
KEEP struct big copy(struct big b) { b.v[0]++; return b; }
KEEP int big_argument(int i) { struct big b = {{0}}; b = copy(b); return b.v[i] + variadic(2, i, i + 1); }
KEEP int64_t wide(int64_t a, int64_t b, int64_t c) { return (a / (b | 1)) * c + a % (c | 1); }
KEEP int odd_sizes(int i) { volatile uint8_t b[1023]; touch(b, 1023); return b[i]; }
KEEP int huge(int i) { volatile uint8_t b[70000]; touch(b, 70000); return b[i]; }
KEEP float dots(const float *a, const float *b, int n)
{
    float s[12] = {0};
    for (int i = 0; i < n; i += 12)
        for (int k = 0; k < 12; ++k)
            s[k] += a[i + k] * b[i + k] + f8(s[0], s[1], a[i], b[i], s[2], s[3], a[k], b[k]);
    float t = 0; for (int k = 0; k < 12; ++k) t += s[k];
    return t;
}
KEEP void bytes(int8_t *restrict o, const int8_t *restrict a, const int8_t *restrict b, int n)
{
    for (int i = 0; i < n; ++i) { int v = a[i] * b[i] + (o[i] << 2); o[i] = (int8_t)(v > 127 ? 127 : v); }
}
KEEP int pick(int k, int x)
{
    switch (k) {
    case 0: return variadic(1, x);
    case 1: return odd_sizes(x);
    case 2: return x * 3;
    case 3: return huge(x);
    case 4: return x - 4;
    case 5: return x ^ 77;
    case 6: return big_argument(x);
    default: return 0;
    }
}
float f8(float a, float b, float c, float d, float e, float f, float g, float h) { return a*b+c*d+e*f+g*h; }
float A[64], B[64]; int8_t X[64], Y[64], Z[64];
int main(void)
{
    bytes(X, Y, Z, 64);
    sink = pick(sink, 1) + (int)wide(sink, sink + 1, 3) + (int)dots(A, B, 60);
    return 0;
}
"""


@needs_gcc
@pytest.mark.parametrize("cpu", [M4, M4_SOFT, M55], ids=["m4", "soft", "m55"])
@pytest.mark.parametrize("optimise", ["-O0", "-Os", "-O2", "-O3"])
def test_frames_read_from_code_are_the_compiler_s(
    tmp_path: Path, cpu: tuple[str, ...], optimise: str
) -> None:
    elf = build(tmp_path, VARIETY, cpu=cpu, optimise=optimise)
    usage = {u.function: u.bytes for u in read_usage([tmp_path])}
    # GCC leaves the registers out that a variadic function pushes to have its arguments in a row.
    usage["variadic"] += 12
    for name in ("variadic", "big_argument", "wide", "odd_sizes", "huge", "dots", "bytes", "pick", "main"):
        (first, *following) = analyse_stack(elf, [], entry=name).path
        left = bool(following) and first.bytes == 0
        assert left or usage[name] <= first.bytes <= usage[name] + 4, name
    assert analyse_stack(elf, []).worst_bytes == analyse_stack(elf, [tmp_path]).worst_bytes


@needs_gcc
def test_constructors_are_no_unknown_calls(tmp_path: Path) -> None:
    source = """
    static void early(void) { volatile uint8_t b[900]; touch(b, 900); }
    __attribute__((section(".init_array"), used)) static void (*const constructor)(void) = early;
    typedef void (*function)(void);
    KEEP void board_start(const function *list, int n) { while (n--) (*list++)(); }
    int main(void) { board_start(&constructor, 1 + sink); return 0; }
    """
    report = analyse_stack(build(tmp_path, source), [tmp_path])
    assert not report.at_least
    assert [f.function for f in report.path][-2:] == ["board_start", "early"]


@needs_gcc
def test_worst_case_is_the_sum_of_its_frames(tmp_path: Path) -> None:
    report = analyse_stack(build(tmp_path, CHAIN), [tmp_path])
    assert not report.at_least
    assert [frame.function for frame in report.path][-2:] == ["middle", "leaf"]
    assert report.worst_bytes == sum(frame.bytes for frame in (*report.path, *report.handler_path))


def test_usage_files_of_cpp_and_with_odd_names(tmp_path: Path) -> None:
    (tmp_path / "a.su").write_text("src/a b.cc:3:5:int ns::f(int, char)\t24\tdynamic,bounded\nnonsense\n")
    (usage,) = read_usage([tmp_path])
    assert (usage.file, usage.function, usage.bytes) == ("src/a b.cc", "int ns::f(int, char)", 24)
    assert not usage.unbounded


def test_what_is_no_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="cannot be read"):
        analyse_stack(tmp_path / "none.elf", [])
    (tmp_path / "text.elf").write_text("hello")
    with pytest.raises(ToolError, match="no ELF image"):
        analyse_stack(tmp_path / "text.elf", [])


@needs_gcc
def test_missing_entry_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="no function Nowhere"):
        analyse_stack(build(tmp_path, CHAIN), [tmp_path], entry="Nowhere")
