/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernels for MVE (Helium) share: four outputs at a time. */
#ifndef MN_MVE_H
#define MN_MVE_H

#include <arm_mve.h>
#include <stdint.h>

/* MultiplyByQuantizedMultiplier, double rounding, for any shift (positive to the left).
 * The rounding shift rounds ties up; adding the sign of what is shifted to the right sends them away from zero. */
static inline int32x4_t mn_requant_x4(int32x4_t x, int32x4_t multiplier, int32x4_t shift)
{
    const int32x4_t zero = vdupq_n_s32(0);
    const int32x4_t left = vmaxq_s32(shift, zero), right = vminq_s32(shift, zero);
    const int32x4_t high = vqrdmulhq_s32(vshlq_s32(x, left), multiplier);
    const int32x4_t sign = vshrq_n_s32(vandq_s32(high, right), 31);
    return vrshlq_s32(vqaddq_s32(high, sign), right);
}

/* How accumulators become outputs; the arrays are padded to whole groups of channels. */
struct mn_output_mve {
    const int32_t *multiplier; /* Q31 */
    const int8_t *shift;       /* positive to the left */
    int16_t zero_point;
    int8_t act_min, act_max;
    int8_t channel_mask; /* of the channel's number: -1, or 0 where one group of four serves all channels */
};

#endif
