"""Sizes of TFLM's structures on 32-bit Arm cores at the pinned commit, for what must be known before compiling.

Read from the debug information of images for Cortex-M4 and Cortex-M55 with GCC's defaults for ``arm-none-eabi``
(short enumerations). A test compares them with those of a fresh image; after compiling, the image's own count.
"""

from __future__ import annotations

from micronets_gen.runtimes.tflm.arena.layout import Layout
from micronets_gen.runtimes.tflm.arena.structures import Structures

COMMIT = "90b983c2b3f1480642e040bbd2ddb37b998f3424"

LAYOUTS = {
    "TfLiteAddParams": Layout(2, 1),
    "TfLiteAffineQuantization": Layout(12, 4),
    "TfLiteConcatenationParams": Layout(8, 4),
    "TfLiteConvParams": Layout(28, 4),
    "TfLiteDepthwiseConvParams": Layout(28, 4),
    "TfLiteEvalTensor": Layout(12, 4),
    "TfLiteFullyConnectedParams": Layout(5, 1),
    "TfLiteLeakyReluParams": Layout(4, 4),
    "TfLiteMulParams": Layout(1, 1),
    "TfLitePackParams": Layout(8, 4),
    "TfLitePoolParams": Layout(40, 4),
    "TfLiteReducerParams": Layout(1, 1),
    "TfLiteReshapeParams": Layout(36, 4),
    "TfLiteResizeNearestNeighborParams": Layout(2, 1),
    "TfLiteShapeParams": Layout(1, 1),
    "TfLiteSoftmaxParams": Layout(4, 4),
    "TfLiteSplitParams": Layout(4, 4),
    "TfLiteSqueezeParams": Layout(36, 4),
    "TfLiteStridedSliceParams": Layout(24, 4),
    "TfLiteSubParams": Layout(2, 1),
    "TfLiteTensor": Layout(32, 4),
    "TfLiteTransposeConvParams": Layout(16, 4),
    "tflite::AllocationInfo": Layout(24, 4),
    "tflite::CMSISNNSoftmaxParams": Layout(64, 8),
    "tflite::DequantizeOpData": Layout(32, 8),
    "tflite::GreedyMemoryPlanner": Layout(44, 4),
    "tflite::GreedyMemoryPlanner::BufferRequirements": Layout(16, 4),
    "tflite::GreedyMemoryPlanner::ListEntry": Layout(12, 4),
    "tflite::HardSwishParams": Layout(20, 4),
    "tflite::LeakyReluOpData": Layout(24, 4),
    "tflite::MicroAllocator": Layout(36, 4),
    "tflite::MicroBuiltinDataAllocator": Layout(8, 4),
    "tflite::NodeAndRegistration": Layout(32, 4),
    "tflite::OpData of add.cc": Layout(60, 4),
    "tflite::OpData of concatenation.cc": Layout(24, 4),
    "tflite::OpData of conv.cc": Layout(60, 4),
    "tflite::OpData of depthwise_conv.cc": Layout(60, 4),
    "tflite::OpData of fully_connected.cc": Layout(72, 4),
    "tflite::OpData of pad_common.cc": Layout(56, 4),
    "tflite::OpData of pooling.cc": Layout(36, 4),
    "tflite::OpData of tanh.cc": Layout(16, 4),
    "tflite::OpData of transpose_conv.cc": Layout(76, 4),
    "tflite::OpDataLogistic": Layout(16, 4),
    "tflite::OpDataMul": Layout(36, 4),
    "tflite::OpDataQuantizeReference": Layout(32, 8),
    "tflite::OpDataReduce": Layout(44, 4),
    "tflite::OpDataSub": Layout(52, 4),
    "tflite::Relu6OpData": Layout(8, 4),
    "tflite::ReluOpData": Layout(28, 4),
    "tflite::ScratchBufferHandle": Layout(4, 4),
    "tflite::SingleArenaBufferAllocator": Layout(36, 4),
    "tflite::StridedSliceParams": Layout(84, 4),
    "tflite::SubgraphAllocations": Layout(8, 4),
    "tflite::internal::ScratchBufferRequest": Layout(12, 4),
}
"""By name; where several sources use one, with the source (``tflite::OpData of conv.cc``)."""


PINNED = Structures(LAYOUTS, f"TFLM {COMMIT[:12]}")
