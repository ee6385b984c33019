/* SPDX-License-Identifier: Apache-2.0 */
#include "mn_activation.h"

#include "mn_requant.h"

void mn_table_s8(const struct mn_table_s8_params *p, const void *in, void *out)
{
    const uint8_t *const table = p->table;
    const uint8_t *from = in;
    uint8_t *to = out;
    for (int32_t left = p->count; left > 0; --left) {
        *to++ = table[*from++];
    }
}

void mn_limit_s8(const struct mn_limit_s8_params *p, const int8_t *in, int8_t *out)
{
    const int32_t low = p->low;
    const int32_t high = p->high;
    for (int32_t left = p->count; left > 0; --left) {
        *out++ = (int8_t)mn_clamp(*in++, low, high);
    }
}

void mn_limit_s16(const struct mn_limit_s16_params *p, const int16_t *in, int16_t *out)
{
    for (int32_t i = 0; i < p->count; ++i) {
        out[i] = (int16_t)mn_clamp(in[i], p->low, p->high);
    }
}

void mn_leaky_relu_s16(const struct mn_leaky_relu_s16_params *p, const int16_t *in, int16_t *out)
{
    for (int32_t i = 0; i < p->count; ++i) {
        const int32_t x = in[i] - p->zero_point;
        const int32_t y = x >= 0 ? mn_requant(x, p->multiplier, p->shift)
                                 : mn_requant(x, p->negative_multiplier, p->negative_shift) * p->negative_sign;
        out[i] = (int16_t)mn_clamp((int32_t)((uint32_t)y + (uint32_t)p->offset), INT16_MIN, INT16_MAX);
    }
}

static inline int32_t sigmoid_input(const struct mn_sigmoid *p, int32_t x)
{
    return (x * p->multiplier + ((int32_t)((uint32_t)1 << p->shift) >> 1)) >> p->shift;
}

/* The table at magnitude >> bits, interpolated with the bits below; `beyond` after its end. */
static inline int32_t sigmoid_lookup(const uint16_t *table, int32_t magnitude, int32_t bits, int32_t beyond)
{
    const int32_t index = magnitude >> bits;
    if (index >= 255) {
        return beyond;
    }
    const int32_t rest = magnitude & ((1 << bits) - 1);
    return (table[index] << bits) + rest * (table[index + 1] - table[index]);
}

void mn_logistic_s16(const struct mn_logistic_s16_params *p, const int16_t *in, int16_t *out)
{
    for (int32_t i = 0; i < p->count; ++i) {
        const int32_t x = sigmoid_input(p, in[i]);
        const int32_t y = sigmoid_lookup(p->table, x < 0 ? -x : x, 9, 0x7FFF << 10);
        out[i] = (int16_t)(((x < 0 ? (1 << 25) - y - 1 : y) + (1 << 9)) >> 10);
    }
}

void mn_tanh_s16(const struct mn_tanh_s16_params *p, const int16_t *in, int16_t *out)
{
    for (int32_t i = 0; i < p->count; ++i) {
        const int32_t x = sigmoid_input(p, in[i]);
        const int32_t y = sigmoid_lookup(p->table, x < 0 ? -x : x, 8, 0xFFFF << 8) - (1 << 23);
        out[i] = (int16_t)(((x < 0 ? -y - 1 : y) + (1 << 7)) >> 8);
    }
}
