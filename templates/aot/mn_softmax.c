/* SPDX-License-Identifier: Apache-2.0 */
#include "mn_softmax.h"

#include "mn_requant.h"

/* Leading zeros of a number that is not 0. */
static inline int32_t mn_clz(uint32_t x)
{
#if defined __GNUC__
    return __builtin_clz(x);
#else
    int32_t zeros = 0;
    for (; x >> 31 == 0; x <<= 1)
        ++zeros;
    return zeros;
#endif
}

/* Fixed point: "Qn" is an int32 with n integer bits, that is, in units of 2^(n - 31). */

/* exp(a) in Q0 for a <= 0 in Q5: a polynomial for the last quarter, times a constant for each bit above. */
static int32_t exp_q5(int32_t a)
{
    static const int32_t exp_of_minus_pot[] = {
        1672461947, /* exp(-1/4) */
        1302514674, /* exp(-1/2) */
        790015084,  /* exp(-1) */
        290630308,  /* exp(-2) */
        39332535,   /* exp(-4) */
        720401,     /* exp(-8) */
        242,        /* exp(-16) */
    };
    const int32_t centre = 1895147668; /* exp(-1/8) */
    const int32_t one_third = 715827883;
    const int32_t quarter = 1 << 24;
    if (a == 0) {
        return INT32_MAX;
    }
    const int32_t within = (a & (quarter - 1)) - quarter;
    const int32_t x = within * (1 << 5) + (1 << 28);
    const int32_t x2 = mn_rdhm(x, x);
    const int32_t x3 = mn_rdhm(x2, x);
    const int32_t x4 = mn_rdhm(x2, x2);
    const int32_t cubic = mn_rdhm(mn_rdivpot(x4, 2) + x3, one_third);
    int32_t result = centre + mn_rdhm(x + mn_rdivpot(cubic + x2, 1), centre);
    const int32_t quarters = (within - a) >> 24;
    for (int32_t i = 0; i < 7; ++i) {
        if (quarters >> i & 1) {
            result = mn_rdhm(result, exp_of_minus_pot[i]);
        }
    }
    return result;
}

/* 1 / (1 + a) in Q0 for 0 <= a < 1 in Q0, by Newton's method in Q2. */
static int32_t one_over_one_plus(int32_t a)
{
    const int32_t half_denominator = (int32_t)(((uint32_t)a + ((uint32_t)1 << 31)) >> 1);
    int32_t x = 1515870810 + mn_rdhm(half_denominator, -1010580540); /* 48/17, 32/17 */
    for (int32_t i = 0; i < 3; ++i) {
        const int32_t error = (1 << 29) - mn_rdhm(half_denominator, x);
        x += mn_rdhm(x, error) * 4;
    }
    return x >= 1 << 30 ? INT32_MAX : x * 2;
}

static inline int32_t exp_of_difference(const struct mn_softmax *p, int32_t difference)
{
    return exp_q5(mn_rdhm((int32_t)((uint32_t)difference << p->shift), p->multiplier));
}

static int32_t maximum_s8(const int8_t *in, int32_t depth)
{
    int32_t maximum = INT8_MIN;
    for (int32_t i = 0; i < depth; ++i) {
        maximum = in[i] > maximum ? in[i] : maximum;
    }
    return maximum;
}

/* What exponentials of one row are divided by. */
struct divisor {
    int32_t scale;
    int32_t exponent;
};

static struct divisor row_divisor(const struct mn_softmax *p, const int8_t *in, int32_t maximum, int32_t out_bits)
{
    int32_t sum = 0; /* Q12 */
    for (int32_t i = 0; i < p->depth; ++i) {
        if (in[i] - maximum >= p->smallest) {
            sum += mn_rdivpot(exp_of_difference(p, in[i] - maximum), 12);
        }
    }
    const int32_t headroom = mn_clz((uint32_t)sum);
    const int32_t exponent = 12 - headroom + 31 - out_bits;
    const int32_t scale = one_over_one_plus((int32_t)(((uint32_t)sum << headroom) - ((uint32_t)1 << 31)));
    /* Beyond 31 every output rounds to 0. */
    return exponent > 31 ? (struct divisor){0, 31} : (struct divisor){scale, exponent};
}

static int32_t share(const struct mn_softmax *p, const struct divisor *d, int32_t difference)
{
    return difference < p->smallest ? 0 : mn_rdivpot(mn_rdhm(exp_of_difference(p, difference), d->scale), d->exponent);
}

void mn_softmax_s8(const struct mn_softmax_s8_params *p, const int8_t *in, int8_t *out)
{
    for (int32_t row = 0; row < p->rows; ++row, in += p->depth, out += p->depth) {
        const int32_t maximum = maximum_s8(in, p->depth);
        const struct divisor d = row_divisor(p, in, maximum, 8);
        for (int32_t i = 0; i < p->depth; ++i) {
            out[i] = (int8_t)mn_clamp(share(p, &d, in[i] - maximum) - 128, INT8_MIN, INT8_MAX);
        }
    }
}

void mn_softmax_s8_s16(const struct mn_softmax_s8_s16_params *p, const int8_t *in, int16_t *out)
{
    for (int32_t row = 0; row < p->rows; ++row, in += p->depth, out += p->depth) {
        const int32_t maximum = maximum_s8(in, p->depth);
        const struct divisor d = row_divisor(p, in, maximum, 16);
        for (int32_t i = 0; i < p->depth; ++i) {
            out[i] = (int16_t)mn_clamp(share(p, &d, in[i] - maximum) - 32768, INT16_MIN, INT16_MAX);
        }
    }
}

/* A table of 512 intervals over int16, interpolated. */
static int32_t interpolate(const int16_t *table, int32_t x)
{
    const int16_t *const entry = table + 256 + (x >> 7);
    return entry[0] + (((entry[1] - entry[0]) * (x & 0x7F) + 64) >> 7);
}

void mn_softmax_s16(const struct mn_softmax_s16_params *p, const int16_t *in, int16_t *out)
{
    for (int32_t row = 0; row < p->rows; ++row, in += p->depth, out += p->depth) {
        int32_t maximum = INT16_MIN;
        for (int32_t i = 0; i < p->depth; ++i) {
            maximum = in[i] > maximum ? in[i] : maximum;
        }
        int32_t sum = 0; /* Q16 */
        for (int32_t i = 0; i < p->depth; ++i) {
            const int32_t x = mn_requant_add(in[i] - maximum, p->multiplier, p->shift, INT16_MAX);
            out[i] = (int16_t)interpolate(p->exp, mn_clamp(x, INT16_MIN, INT16_MAX));
            sum += out[i];
        }
        const int32_t headroom = mn_clz((uint32_t)sum);
        const int32_t right = 31 - headroom;
        /* The sum, normalised to [1, 2), less 1, from -32768 to 32767. */
        const int32_t shifted = (int32_t)((((uint32_t)sum << (headroom - 1)) + (1u << 13)) >> 14) - (3 << 15);
        const int32_t inverse = interpolate(p->one_over_one_plus, mn_clamp(shifted, INT16_MIN, INT16_MAX));
        for (int32_t i = 0; i < p->depth; ++i) {
            out[i] = (int16_t)mn_clamp((out[i] * inverse + (1 << (right - 1))) >> right, 0, INT16_MAX);
        }
    }
}
