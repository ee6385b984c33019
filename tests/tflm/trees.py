"""Sources for tests: the real ones where they can be had, and small ones that are always there."""

from __future__ import annotations

from pathlib import Path

import pytest

from micronets_gen.runtimes.tflm.sources import Checkout, SourcesError, SourceTree, locate
from micronets_gen.runtimes.tflm.sources.digest import hash_files
from tests.support.paths import SHARED_MODELS

RESOLVER = """
#include "tensorflow/lite/micro/kernels/conv.h"
#include "tensorflow/lite/micro/kernels/micro_ops.h"

template <unsigned int tOpCount>
class MicroMutableOpResolver : public MicroOpResolver {
 public:
  TfLiteStatus AddCustom(const char* name, const TFLMRegistration* registration) {
    return kTfLiteOk;
  }

  TfLiteStatus AddConv2D(
      const TFLMRegistration& registration = Register_CONV_2D()) {
    return AddBuiltin(BuiltinOperator_CONV_2D, registration, ParseConv2D);
  }

  TfLiteStatus AddReshape(const TFLMRegistration& registration =
                              tflite::Register_RESHAPE()) {
    // A comment (with brackets) {and braces}.
    return AddBuiltin(tflite::BuiltinOperator_RESHAPE, registration,
                      ParseReshape);
  }

  TfLiteStatus AddSplit() {
    return AddBuiltin(BuiltinOperator_SPLIT, tflite::Register_SPLIT(), ParseSplit);
  }

  TfLiteStatus AddDelay() {
    return AddCustom("SignalDelay", tflite::tflm_signal::Register_DELAY());
  }
};
"""

_TFLM = {
    "LICENSE": "the licence\n",
    "tensorflow/lite/micro/micro_mutable_op_resolver.h": RESOLVER,
    "tensorflow/lite/micro/micro_interpreter.h": '#include "flatbuffers/flatbuffers.h"\n#include "helpers.h"\n',
    "tensorflow/lite/micro/micro_interpreter.cc": '#include "tensorflow/lite/micro/micro_interpreter.h"\n'
    '#include "tensorflow/lite/micro/debug_log.h"\n#include <cstdint>\n',
    "tensorflow/lite/micro/helpers.h": "",
    "tensorflow/lite/micro/helpers.cc": '#include "helpers.h"\n',
    "tensorflow/lite/micro/unrelated.cc": "",
    "tensorflow/lite/micro/debug_log.h": "",
    "tensorflow/lite/micro/debug_log.cc": "",
    "tensorflow/lite/micro/kernels/micro_ops.h": "TFLMRegistration Register_RESHAPE();\n",
    "tensorflow/lite/micro/kernels/conv.h": """
TFLMRegistration Register_CONV_2D();
#if defined(CMSIS_NN)
TFLMRegistration Register_CONV_2D_INT8();
#else
inline TFLMRegistration Register_CONV_2D_INT8() { return Register_CONV_2D(); }
#endif
""",
    "tensorflow/lite/micro/kernels/conv.cc": """
TFLMRegistration Register_CONV_2D() {
  return RegisterOp(Init, Prepare, ReferenceEval);
}
""",
    "tensorflow/lite/micro/kernels/conv_common.cc": '#include "tensorflow/lite/micro/kernels/conv.h"\n',
    "tensorflow/lite/micro/kernels/conv_test.cc": "TFLMRegistration Register_TEST() {\n}\n",
    "tensorflow/lite/micro/kernels/reshape.cc": "TFLMRegistration Register_RESHAPE() {\n  return R(Eval);\n}\n",
    "tensorflow/lite/micro/kernels/split.cc": "TFLMRegistration Register_SPLIT() {\n  return R(Eval);\n}\n",
    "tensorflow/lite/micro/kernels/cmsis_nn/conv.cc": """
#include "tensorflow/lite/micro/kernels/conv.h"
#include "Include/arm_nnfunctions.h"
namespace {
TfLiteStatus Eval8(TfLiteContext* context) {
  return arm_convolve_s8(context);
}

TfLiteStatus Eval(TfLiteContext* context) {
  arm_convolve_s16(context);
  return Eval8(context);
}
}  // namespace

TFLMRegistration Register_CONV_2D() {
  return RegisterOp(Init, Prepare, Eval);
}

TFLMRegistration Register_CONV_2D_INT8() {
  return RegisterOp(Init, Prepare, Eval8);
}

TFLMRegistration Register_CONV_2D_INT16() {
  return RegisterOp(Init, Prepare, Eval);
}
""",
}
_CMSIS_NN = {
    "Include/arm_nnfunctions.h": '#include "arm_nn_types.h"\n#include "Internal/config.h"\n',
    "Include/arm_nn_types.h": "",
    "Include/Internal/config.h": "",
    "Source/Convolution/arm_convolve_s8.c": """
#include "arm_nnfunctions.h"
/* arm_convolve_f32() is mentioned only. */
static int helper(int x)
{
    return arm_multiply(x) + table[0];
}
int arm_convolve_s8(int x)
{
    return helper(x);
}
""",
    "Source/Convolution/arm_convolve_s16.c": "int arm_convolve_s16(int x)\n{\n    return arm_multiply(x);\n}\n",
    "Source/Convolution/arm_convolve_f32.c": "int arm_convolve_f32(int x)\n{\n    return x;\n}\n",
    "Source/Support/arm_multiply.c": "int arm_multiply(int x)\n{\n    return 2 * x;\n}\n",
    "Source/Support/tables.c": "const short table[2] = {\n    1, 2\n};\n",
}
_FLATBUFFERS = {
    "include/flatbuffers/flatbuffers.h": '#include "flatbuffers/base.h"\n',
    "include/flatbuffers/base.h": "#include <string>\n",
    "include/flatbuffers/idl.h": "",
}


def small_trees(root: Path) -> SourceTree:
    """Write sources with the structure of the real ones, and a few lines in each file."""
    folders = {"tflm": _TFLM, "cmsis_nn": _CMSIS_NN, "flatbuffers": _FLATBUFFERS, "gemmlowp": {}, "ruy": {}}
    for key, files in folders.items():
        (root / key).mkdir(parents=True)
        for name, text in files.items():
            path = root / key / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return SourceTree(
        **{key: root / key for key in folders},
        commits=dict.fromkeys(folders, "0" * 40),
        checkouts={key: small_checkout(root / key) for key in folders},
    )


def small_checkout(folder: Path) -> Checkout:
    """Return every file in a folder as if it had been stored just now."""
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return Checkout(folder.name, folder, hash_files(folder, (), files))


def require_sources() -> SourceTree:
    """Return the pinned sources, or skip the test and say what is missing."""
    try:
        return locate()
    except SourcesError as error:
        pytest.skip(error.what)


def shared_models() -> list[Path]:
    """Return the reference models; none where there is no such folder."""
    return sorted(SHARED_MODELS.glob("*.tflite"))
