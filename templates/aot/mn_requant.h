/* SPDX-License-Identifier: Apache-2.0 */
/* Requantisation, exactly as TensorFlow Lite Micro rounds: twice.
 *
 * A real factor is multiplier * 2^(shift - 31), multiplier in [2^30, 2^31) or 0. */
#ifndef MN_REQUANT_H
#define MN_REQUANT_H

#include <stdint.h>

/* SaturatingRoundingDoublingHighMul for b >= 0, where it cannot saturate. */
static inline int32_t mn_rdhm(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

/* RoundingDivideByPOT: to nearest, ties away from zero; 0 <= exponent <= 31. */
static inline int32_t mn_rdivpot(int32_t x, int32_t exponent)
{
    const int32_t mask = (int32_t)(((uint32_t)1 << exponent) - 1u);
    const int32_t threshold = (mask >> 1) + (x < 0);
    return (x >> exponent) + ((x & mask) > threshold);
}

/* MultiplyByQuantizedMultiplier: shift > 0 is to the left; -31 <= shift <= 30. */
static inline int32_t mn_requant(int32_t x, int32_t multiplier, int32_t shift)
{
    const int32_t left = shift > 0 ? shift : 0;
    const int32_t right = shift > 0 ? 0 : -shift;
    return mn_rdivpot(mn_rdhm((int32_t)((uint32_t)x << left), multiplier), right);
}

/* mn_requant plus an offset; wraps where an absurd multiplier leaves 32 bits. */
static inline int32_t mn_requant_add(int32_t x, int32_t multiplier, int32_t shift, int32_t offset)
{
    return (int32_t)((uint32_t)mn_requant(x, multiplier, shift) + (uint32_t)offset);
}

/* The same for the 48-bit accumulators of int16 activations: a 16-bit multiplier, one rounding. */
static inline int32_t mn_requant_s64(int64_t x, int32_t multiplier, int32_t shift)
{
    const int32_t reduced = multiplier < 0x7FFF0000 ? (multiplier + (1 << 15)) >> 16 : 0x7FFF;
    const int32_t right = 15 - shift;
    return (int32_t)((x * reduced + ((int64_t)1 << (right - 1))) >> right);
}

static inline int32_t mn_clamp(int32_t x, int32_t low, int32_t high)
{
    return x < low ? low : x > high ? high : x;
}

#endif
