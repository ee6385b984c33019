/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of one element. Input and output may lie in the same bytes. */
#ifndef MN_ACTIVATION_H
#define MN_ACTIVATION_H

#include <stdint.h>

/* Any function of 8-bit values: table[byte]. */
struct mn_table_s8_params {
    int32_t count;
    const uint8_t *table; /* 256 entries */
};

void mn_table_s8(const struct mn_table_s8_params *p, const void *in, void *out);

struct mn_limit {
    int32_t count;
    int32_t low, high;
};

#define mn_limit_s8_params mn_limit
#define mn_limit_s16_params mn_limit

void mn_limit_s8(const struct mn_limit_s8_params *p, const int8_t *in, int8_t *out);
void mn_limit_s16(const struct mn_limit_s16_params *p, const int16_t *in, int16_t *out);

/* Another scale at and above the zero point than below it. */
struct mn_leaky_relu_s16_params {
    int32_t count;
    int32_t zero_point;
    int32_t multiplier, shift;
    int32_t negative_multiplier, negative_shift, negative_sign;
    int32_t offset;
};

void mn_leaky_relu_s16(const struct mn_leaky_relu_s16_params *p, const int16_t *in, int16_t *out);

/* Interpolation in a table of 65536 / (1 + exp(-i / 24)). */
struct mn_sigmoid {
    int32_t count;
    int32_t multiplier; /* (input * multiplier) >> shift counts 1/12288 */
    int32_t shift;
    const uint16_t *table; /* 256 entries */
};

#define mn_logistic_s16_params mn_sigmoid
#define mn_tanh_s16_params mn_sigmoid

void mn_logistic_s16(const struct mn_logistic_s16_params *p, const int16_t *in, int16_t *out);
void mn_tanh_s16(const struct mn_tanh_s16_params *p, const int16_t *in, int16_t *out);

#endif
