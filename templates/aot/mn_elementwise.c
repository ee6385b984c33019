/* SPDX-License-Identifier: Apache-2.0 */
#include "mn_elementwise.h"

#include <stdbool.h>

#include "mn_requant.h"
#include "mn_simd.h"
#include "mn_strides.h"

/* --- int8 sum of equal shapes ---------------------------------------------------------------------------
 *
 * The reference shifts both operands left by 20, multiplies each by its share of twice the larger scale, adds,
 * and multiplies again, every product rounded twice. The larger scale's share is exactly one half, so operand a
 * is only shifted. Everything is kept doubled, because smmulr(2 * x, m) is the rounded doubling high multiply.
 * Parameters are copied because the compiler must assume that a store of int8 changes *p.
 */

#if defined(__ARM_FEATURE_MVE)

#include <arm_mve.h>

/* Rounds ties away from zero. */
static inline int32x4_t divide_by_pot(int32x4_t x, int32_t right)
{
    const int32x4_t twice = vaddq_s32(vaddq_s32(x, x), vshrq_n_s32(x, 31));
    return vrshlq_s32(twice, vdupq_n_s32(-1 - right));
}

static inline void add_s8(const struct mn_add *p, const int8_t *a, const int8_t *b, int8_t *out, bool clamped)
{
    (void)clamped;
    const struct mn_add q = *p;
    const int32_t bias = q.bias / 2;
    const int32_t b_bias = q.b_bias / 2;
    for (int32_t left = q.count; left > 0; left -= 4) {
        const mve_pred16_t lanes = vctp32q((uint32_t)left);
        const int32x4_t wide_b = vaddq_n_s32(vshlq_n_s32(vldrbq_z_s32(b, lanes), 20), b_bias);
        const int32x4_t scaled_b = divide_by_pot(vqrdmulhq_n_s32(wide_b, q.b_multiplier), q.b_shift);
        const int32x4_t wide_a = vaddq_n_s32(vshlq_n_s32(vldrbq_z_s32(a, lanes), 19), bias);
        const int32x4_t sum = vaddq_s32(wide_a, scaled_b);
        int32x4_t result = divide_by_pot(vqrdmulhq_n_s32(sum, q.multiplier), q.shift);
        result = vaddq_n_s32(result, q.offset);
        result = vminq_s32(vmaxq_s32(result, vdupq_n_s32(q.low)), vdupq_n_s32(q.high));
        vstrbq_p_s32(out, result, lanes);
        a += 4;
        b += 4;
        out += 4;
    }
}

#else

static inline void add_s8(const struct mn_add *p, const int8_t *a, const int8_t *b, int8_t *out, bool clamped)
{
    const struct mn_add q = *p;
    const int32_t b_half = 1 << q.b_shift;
    const int32_t twice_offset_1 = 2 * q.offset + 1;
    const int8_t *const end = out + q.count;
    while (out != end) {
        const int32_t wide_b = mn_smmulr(*b++ * (1 << 21) + q.b_bias, q.b_multiplier);
        const int32_t scaled_b = (wide_b * 2 + b_half + (wide_b >> 31)) >> (q.b_shift + 1);
        const int32_t sum = *a++ * (1 << 20) + q.bias + scaled_b * 2;
        const int32_t result = mn_smmulr(sum, q.multiplier);
        if (clamped) {
            *out++ = (int8_t)mn_clamp(mn_rdivpot(result, q.shift) + q.offset, q.low, q.high);
        } else {
            const int32_t twice = (result + (result >> 31)) >> (q.shift - 1);
            *out++ = (int8_t)mn_ssat8_half(twice + twice_offset_1);
        }
    }
}

#endif

void mn_add_s8(const struct mn_add_s8_params *p, const int8_t *a, const int8_t *b, int8_t *out)
{
    add_s8(p, a, b, out, false);
}

void mn_add_clamped_s8(const struct mn_add_clamped_s8_params *p, const int8_t *a, const int8_t *b, int8_t *out)
{
    add_s8(p, a, b, out, true);
}

/* --- broadcasts, of any type ---------------------------------------------------------------------------- */

/* void name(p, a, b, out): out = function(a, b) element by element, with `scale` for the function to use. */
#define BROADCAST(name, type, scale, function)                                              \
    void name(const struct name##_params *p, const type *a, const type *b, type *out)       \
    {                                                                                       \
        const struct mn_broadcast *const shape = &p->shape;                                 \
        const int32_t a_step = shape->a_step;                                               \
        const int32_t b_step = shape->b_step;                                               \
        scale;                                                                              \
        for (int32_t row = 0; row < shape->rows; ++row) {                                   \
            const type *x = a + mn_offset(shape->size, shape->a_outer, MN_OUTER_DIMS, row); \
            const type *y = b + mn_offset(shape->size, shape->b_outer, MN_OUTER_DIMS, row); \
            for (int32_t left = shape->columns; left > 0; --left) {                         \
                *out++ = (type)function(*x, *y);                                            \
                x += a_step;                                                                \
                y += b_step;                                                                \
            }                                                                               \
        }                                                                                   \
    }

static inline int32_t sum(const struct mn_sum_scale *k, int32_t a, int32_t b)
{
    const int32_t unit = 1 << k->left_shift;
    const int32_t x = mn_requant((a - k->a_zero_point) * unit, k->a_multiplier, k->a_shift);
    const int32_t y = mn_requant((b - k->b_zero_point) * unit, k->b_multiplier, k->b_shift);
    return mn_clamp(mn_requant(x + y * k->b_sign, k->multiplier, k->shift) + k->offset, k->low, k->high);
}

static inline int32_t product(const struct mn_mul_scale *k, int32_t a, int32_t b)
{
    const int32_t x = (a - k->a_zero_point) * (b - k->b_zero_point);
    return mn_clamp(mn_requant_add(x, k->multiplier, k->shift, k->offset), k->low, k->high);
}

#define SUM(a, b) sum(&scale, a, b)
#define PRODUCT(a, b) product(&scale, a, b)
#define MINIMUM(a, b) ((a) < (b) ? (a) : (b))
#define MAXIMUM(a, b) ((a) > (b) ? (a) : (b))

BROADCAST(mn_sum_s8, int8_t, const struct mn_sum_scale scale = p->scale, SUM)
BROADCAST(mn_sum_s16, int16_t, const struct mn_sum_scale scale = p->scale, SUM)
BROADCAST(mn_mul_s8, int8_t, const struct mn_mul_scale scale = p->scale, PRODUCT)
BROADCAST(mn_mul_s16, int16_t, const struct mn_mul_scale scale = p->scale, PRODUCT)
BROADCAST(mn_minimum_s8, int8_t, (void)0, MINIMUM)
BROADCAST(mn_minimum_s16, int16_t, (void)0, MINIMUM)
BROADCAST(mn_minimum_s32, int32_t, (void)0, MINIMUM)
BROADCAST(mn_maximum_s8, int8_t, (void)0, MAXIMUM)
BROADCAST(mn_maximum_s16, int16_t, (void)0, MAXIMUM)
BROADCAST(mn_maximum_s32, int32_t, (void)0, MAXIMUM)
