/* SPDX-License-Identifier: Apache-2.0 */
/* From a 32-bit accumulator to an int8 output. */
#ifndef MN_OUTPUT_H
#define MN_OUTPUT_H

#include "mn_requant.h"
#include "mn_simd.h"

/* How a layer's accumulators become outputs.
 *
 * Where the generator can prove that no accumulator reaches 2^30, that every channel shifts right by at least one
 * and that the clamp is that of int8, `bounded` is set and one output takes a handful of instructions. Otherwise
 * it is done step by step, for any multiplier. The bytes are the same. */
struct mn_output_s8 {
    const int32_t *multiplier; /* one a channel, Q31 */
    const int8_t *shift;       /* one a channel: bounded: right shift - 1; otherwise: shift, positive to the left */
    int16_t zero_point;
    int8_t act_min, act_max;
    uint8_t bounded;     /* whether that is proved */
    int8_t channel_mask; /* of the channel's number: -1, or 0 where one multiplier and shift serve all channels */
};

/* Twice the zero point, and one that rounds: what mn_output_bounded adds before it halves. */
static inline int32_t mn_rounding_offset(const struct mn_output_s8 *output)
{
    return 2 * output->zero_point + 1;
}

/* smmulr of twice the accumulator is the doubling high multiply. Adding the sign before the shift rounds ties away
 * from zero; the last bit of the shift, the zero point and the saturation are one instruction. */
static inline int8_t mn_output_bounded(int32_t accumulator, int32_t multiplier, int32_t shift, int32_t rounding_offset)
{
    const int32_t high = mn_smmulr(accumulator * 2, multiplier);
    return (int8_t)mn_ssat8_half(((high + (high >> 31)) >> shift) + rounding_offset);
}

int8_t mn_output_any(const struct mn_output_s8 *output, int32_t accumulator, int32_t channel);

static inline int8_t mn_output(const struct mn_output_s8 *output, int32_t accumulator, int32_t channel)
{
    if (output->bounded) {
        const int32_t i = channel & output->channel_mask;
        return mn_output_bounded(accumulator, output->multiplier[i], output->shift[i], mn_rounding_offset(output));
    }
    return mn_output_any(output, accumulator, channel);
}

#endif
