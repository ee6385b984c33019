/* SPDX-License-Identifier: Apache-2.0 */
#include "mn_quantize.h"

#include "mn_requant.h"

/* To nearest, ties away from zero; saturates far beyond int16. */
static inline int32_t round_away(float x)
{
    const float limit = 16777216.0f;
    const float inside = x > -limit ? (x < limit ? x : limit) : -limit;
    const int32_t whole = (int32_t)inside;
    const float rest = inside - (float)whole;
    return whole + (rest >= 0.5f) - (rest <= -0.5f);
}

#define QUANTIZE(name, type, lowest, highest)                                                       \
    void name(const struct name##_params *p, const float *in, type *out)                            \
    {                                                                                               \
        for (int32_t i = 0; i < p->count; ++i) {                                                    \
            out[i] = (type)mn_clamp(round_away(in[i] / p->scale) + p->zero_point, lowest, highest); \
        }                                                                                           \
    }

QUANTIZE(mn_quantize_f32_s8, int8_t, INT8_MIN, INT8_MAX)
QUANTIZE(mn_quantize_f32_s16, int16_t, INT16_MIN, INT16_MAX)

#define DEQUANTIZE(name, type)                                           \
    void name(const struct name##_params *p, const type *in, float *out) \
    {                                                                    \
        for (int32_t i = 0; i < p->count; ++i) {                         \
            out[i] = p->scale * (float)(in[i] - p->zero_point);          \
        }                                                                \
    }

DEQUANTIZE(mn_dequantize_s8_f32, int8_t)
DEQUANTIZE(mn_dequantize_s16_f32, int16_t)

#define REQUANTIZE(name, from, to)                                                                         \
    void name(const struct name##_params *p, const from *in, to *out)                                      \
    {                                                                                                      \
        for (int32_t i = 0; i < p->count; ++i) {                                                           \
            const int32_t x = (int32_t)((uint32_t)in[i] - (uint32_t)p->zero_point);                        \
            out[i] = (to)mn_clamp(mn_requant_add(x, p->multiplier, p->shift, p->offset), p->low, p->high); \
        }                                                                                                  \
    }

REQUANTIZE(mn_requantize_s8_s16, int8_t, int16_t)
REQUANTIZE(mn_requantize_s8_s32, int8_t, int32_t)
REQUANTIZE(mn_requantize_s16_s8, int16_t, int8_t)
REQUANTIZE(mn_requantize_s16_s16, int16_t, int16_t)
REQUANTIZE(mn_requantize_s16_s32, int16_t, int32_t)
REQUANTIZE(mn_requantize_s32_s8, int32_t, int8_t)
REQUANTIZE(mn_requantize_s32_s16, int32_t, int16_t)
