/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of two elements: sums, products, extrema. An input of the output's shape may lie in the same bytes. */
#ifndef MN_ELEMENTWISE_H
#define MN_ELEMENTWISE_H

#include <stdint.h>

/* Sum of int8 tensors of one shape; a has the larger scale. */
struct mn_add {
    int32_t count;
    int32_t bias;         /* -2^20 times the zero point of a */
    int32_t b_bias;       /* -2^21 times the zero point of b */
    int32_t b_multiplier; /* Q31: from the scale of b to twice that of a */
    int32_t b_shift;      /* to the right, at least 0 */
    int32_t multiplier;   /* Q31: to the output's scale */
    int32_t shift;        /* to the right; at least 1 unless clamped */
    int32_t offset;       /* the output's zero point */
    int32_t low, high;
};

#define mn_add_s8_params mn_add
#define mn_add_clamped_s8_params mn_add

void mn_add_s8(const struct mn_add_s8_params *p, const int8_t *a, const int8_t *b, int8_t *out);
void mn_add_clamped_s8(const struct mn_add_clamped_s8_params *p, const int8_t *a, const int8_t *b, int8_t *out);

/* A broadcast, row by row. The elements of a row follow each other by the steps (0 or 1); where a row begins in
 * an operand, the outer dimensions say. Tensors of one shape are one row. */
#define MN_OUTER_DIMS 4

struct mn_broadcast {
    int32_t rows, columns;
    int32_t a_step, b_step;
    int32_t size[MN_OUTER_DIMS];
    int32_t a_outer[MN_OUTER_DIMS];
    int32_t b_outer[MN_OUTER_DIMS];
};

/* Sum, or difference where b_sign is -1, of any operands. */
struct mn_sum {
    struct mn_broadcast shape;
    struct mn_sum_scale {
        int32_t left_shift;
        int32_t a_zero_point, a_multiplier, a_shift;
        int32_t b_zero_point, b_multiplier, b_shift, b_sign;
        int32_t multiplier, shift, offset;
        int32_t low, high;
    } scale;
};

#define mn_sum_s8_params mn_sum
#define mn_sum_s16_params mn_sum

void mn_sum_s8(const struct mn_sum_s8_params *p, const int8_t *a, const int8_t *b, int8_t *out);
void mn_sum_s16(const struct mn_sum_s16_params *p, const int16_t *a, const int16_t *b, int16_t *out);

struct mn_mul {
    struct mn_broadcast shape;
    struct mn_mul_scale {
        int32_t a_zero_point, b_zero_point;
        int32_t multiplier, shift, offset;
        int32_t low, high;
    } scale;
};

#define mn_mul_s8_params mn_mul
#define mn_mul_s16_params mn_mul

void mn_mul_s8(const struct mn_mul_s8_params *p, const int8_t *a, const int8_t *b, int8_t *out);
void mn_mul_s16(const struct mn_mul_s16_params *p, const int16_t *a, const int16_t *b, int16_t *out);

struct mn_extremum {
    struct mn_broadcast shape;
};

#define mn_minimum_s8_params mn_extremum
#define mn_minimum_s16_params mn_extremum
#define mn_minimum_s32_params mn_extremum
#define mn_maximum_s8_params mn_extremum
#define mn_maximum_s16_params mn_extremum
#define mn_maximum_s32_params mn_extremum

void mn_minimum_s8(const struct mn_minimum_s8_params *p, const int8_t *a, const int8_t *b, int8_t *out);
void mn_minimum_s16(const struct mn_minimum_s16_params *p, const int16_t *a, const int16_t *b, int16_t *out);
void mn_minimum_s32(const struct mn_minimum_s32_params *p, const int32_t *a, const int32_t *b, int32_t *out);
void mn_maximum_s8(const struct mn_maximum_s8_params *p, const int8_t *a, const int8_t *b, int8_t *out);
void mn_maximum_s16(const struct mn_maximum_s16_params *p, const int16_t *a, const int16_t *b, int16_t *out);
void mn_maximum_s32(const struct mn_maximum_s32_params *p, const int32_t *a, const int32_t *b, int32_t *out);

#endif
