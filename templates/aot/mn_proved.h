/* SPDX-License-Identifier: Apache-2.0 */
/* From accumulators to outputs in few instructions, where the generator proves that they are the reference's, which
 * rounds twice: codegen/runtimes/aot/outputs.py. A channel has a multiplier and a `rounding` that tells the way:
 * - rounding >= 0: the high word of accumulator * multiplier, plus the zero point and `rounding` before the last shift,
 *   is saturated; the bias makes up for what `rounding` adds to meet the thresholds. Two instructions an output.
 * - rounding < 0: as the reference does, negative sums rounded away from zero; -rounding is the shift. Five. */
#ifndef MN_PROVED_H
#define MN_PROVED_H

#include "mn_requant.h"

#define MN_LAST_SHIFT 4         /* with rounding >= 0 */
#define MN_LAST_SHIFT_OF_256 12 /* the same for an accumulator that is 256 times as large */

/* What is added to the high word. */
static inline int32_t mn_addend(int32_t zero_point, int32_t rounding, int32_t last_shift)
{
    return zero_point * (1 << last_shift) + rounding;
}

static inline int32_t mn_addend_exact(int32_t zero_point, int32_t shift)
{
    return zero_point * (1 << shift) + (1 << (shift - 1));
}

/* The first way in C. */
static inline int8_t mn_proved_output(int32_t accumulator, int32_t multiplier, int32_t addend, int32_t last_shift)
{
    const int64_t high = (int64_t)accumulator * multiplier + (int64_t)addend * ((int64_t)1 << 32);
    return (int8_t)mn_clamp((int32_t)(high >> 32) >> last_shift, -128, 127);
}

/* The second. */
static inline int8_t mn_exact_output(int32_t twice_accumulator, int32_t multiplier, int32_t addend, int32_t shift)
{
    const int64_t half = (int64_t)1 << 31;
    const int64_t high = (int64_t)twice_accumulator * multiplier + (int64_t)addend * ((int64_t)1 << 32) + half;
    return (int8_t)mn_clamp(((int32_t)(high >> 32) + (twice_accumulator >> 31)) >> shift, -128, 127);
}

#endif
