/* SPDX-License-Identifier: Apache-2.0 */
/* DEPTHWISE_CONV_2D on int8 with depth multiplier 1 and MVE: eight channels at a time. */
#ifndef MN_DEPTHWISE_S8_MVE_H
#define MN_DEPTHWISE_S8_MVE_H

#include "mn_mve.h"

struct mn_depthwise_s8_mve_params {
    int16_t in_h, in_w, channels;
    int16_t in_rows; /* how many of the in_h rows the input holds: see mn_window.h */
    int16_t out_w;
    int16_t filter_height, filter_width;
    int16_t stride_h, stride_w;
    int16_t dilation_h, dilation_w;
    int16_t pad_h, pad_w;
    int16_t in_zero_point;
    const int8_t *weights; /* [filter_height][filter_width][channels] */
    const int32_t *bias;   /* in eights, each 0 2 4 6 1 3 5 7, as the products come; so are multiplier and shift */
    struct mn_output_mve output;
};

/* Makes `rows` output rows from first_row on, the first of them at `out`. */
void mn_depthwise_s8_mve(const struct mn_depthwise_s8_mve_params *p, const int8_t *in, int8_t *out, int32_t first_row,
                         int32_t rows);

#endif
