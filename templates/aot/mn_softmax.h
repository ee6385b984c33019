/* SPDX-License-Identifier: Apache-2.0 */
/* exp(x) / sum(exp(x)) of each row. Input and output of one type may lie in the same bytes. */
#ifndef MN_SOFTMAX_H
#define MN_SOFTMAX_H

#include <stdint.h>

struct mn_softmax {
    int32_t rows, depth;
    int32_t multiplier, shift; /* differences to the row's maximum, to 5 integer bits */
    int32_t smallest;          /* differences below it give 0 */
};

#define mn_softmax_s8_params mn_softmax
#define mn_softmax_s8_s16_params mn_softmax

void mn_softmax_s8(const struct mn_softmax_s8_params *p, const int8_t *in, int8_t *out);
void mn_softmax_s8_s16(const struct mn_softmax_s8_s16_params *p, const int8_t *in, int16_t *out);

struct mn_softmax_s16_params {
    int32_t rows, depth;
    int32_t multiplier, shift;        /* such that a difference of -65535 is -10 */
    const int16_t *exp;               /* exp(x), x from -10 to 0: 513 entries, Q15 */
    const int16_t *one_over_one_plus; /* 1 / (1 + x), x from 0 to 1: 513 entries, Q15 */
};

void mn_softmax_s16(const struct mn_softmax_s16_params *p, const int16_t *in, int16_t *out);

#endif
