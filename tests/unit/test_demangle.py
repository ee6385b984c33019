"""Names of C++ functions as people write them; the mangled ones are GCC's own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from micronets_gen.image.demangle import readable


@pytest.mark.parametrize(
    ("mangled", "name"),
    [
        ("main", "main"),
        ("_start", "_start"),
        ("arm_convolve_s8", "arm_convolve_s8"),
        ("_Z", "_Z"),
        ("_ZN9", "_ZN9"),
        ("_ZN6tflite16MicroInterpreter6InvokeEv", "tflite::MicroInterpreter::Invoke"),
        ("_ZNK6tflite16MicroInterpreter6outputEj", "tflite::MicroInterpreter::output"),
        ("_ZN6tflite12_GLOBAL__N_18EvalInt8EP13TfLiteContextP10TfLiteNode", "tflite::(anonymous)::EvalInt8"),
        (
            "_ZN6tflite22MicroMutableOpResolverILj6EE10AddBuiltinENS_15BuiltinOperatorERK16TFLMRegistration",
            "tflite::MicroMutableOpResolver::AddBuiltin",
        ),
        ("_ZN6tflite16MicroInterpreterC2EPKNS_5ModelE", "tflite::MicroInterpreter::MicroInterpreter"),
        ("_ZN6tflite16MicroInterpreterD1Ev", "tflite::MicroInterpreter::~MicroInterpreter"),
        ("_ZTVN6tflite14MicroAllocatorE", "tflite::MicroAllocator"),
        ("_Z4plusii.constprop.0", "plus (constprop)"),
        ("_ZNSt6vectorIiSaIiEE9push_backEOi", "std::vector::push_back"),
    ],
)
def test_names(mangled: str, name: str) -> None:
    assert readable(mangled) == name


@pytest.mark.needs("c++")
def test_every_name_that_the_compiler_makes_is_understood(tmp_path: Path) -> None:
    source = tmp_path / "names.cc"
    source.write_text(
        "namespace a { namespace { template <class T, int N> struct B { struct C {}; T f(C, const T *) const; B(); };\n"
        "template <class T, int N> T B<T, N>::f(C, const T *) const { return T(); }\n"
        "template <class T, int N> B<T, N>::B() {}\n"
        "} int g(int (*)(int), unsigned long long) { return B<B<int, 3>, -1>().f({}, nullptr).f({}, nullptr); } }\n"
        "template <class... T> int many(T...) { return 1; }\n"
        "int h() { return many(1, 2u, 'c') + many(a::g); }\n"
    )
    elf = tmp_path / "names.o"
    subprocess.run(["arm-none-eabi-g++", "-O0", "-c", source, "-o", elf], check=True, timeout=60)
    output = subprocess.run(["arm-none-eabi-nm", elf], check=True, capture_output=True, text=True, timeout=60)
    names = {line.split()[-1] for line in output.stdout.splitlines()}
    found = {readable(name) for name in names if name.startswith("_Z")}
    assert found == {"a::(anonymous)::B::f", "a::(anonymous)::B::B", "a::g", "many", "h"}
