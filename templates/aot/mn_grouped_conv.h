/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution of any grouping: few lines for what is rare (groups, depthwise with a depth multiplier) and for int16
 * activations, where fully connected and depthwise layers are special cases of it. Kernels make `rows` output rows from
 * first_row on, the first of them at `out`. */
#ifndef MN_GROUPED_CONV_H
#define MN_GROUPED_CONV_H

#include "mn_output.h"

struct mn_grouped_conv {
    int16_t in_h, in_w, in_c;
    int16_t in_rows; /* how many of the in_h rows the input holds: see mn_window.h */
    int16_t out_w, out_c;
    int16_t filter_height, filter_width;
    int16_t stride_h, stride_w;
    int16_t dilation_h, dilation_w;
    int16_t pad_h, pad_w;
    int16_t in_zero_point;
    int16_t group_in, group_out; /* channels of a group */
};

struct mn_grouped_conv_s8_params {
    struct mn_grouped_conv shape;
    const int8_t *weights; /* [out_c][filter_height][filter_width][group_in] */
    const int32_t *bias;   /* one a channel */
    struct mn_output_s8 output;
};

void mn_grouped_conv_s8(const struct mn_grouped_conv_s8_params *p, const int8_t *in, int8_t *out, int32_t first_row,
                        int32_t rows);

struct mn_grouped_conv_s16_params {
    struct mn_grouped_conv shape;
    const int8_t *weights; /* [out_c][filter_height][filter_width][group_in] */
    const int64_t *bias;   /* one a channel */
    const int32_t *multiplier;
    const int8_t *shift; /* positive to the left */
    int16_t act_min, act_max;
};

void mn_grouped_conv_s16(const struct mn_grouped_conv_s16_params *p, const int16_t *in, int16_t *out, int32_t first_row,
                         int32_t rows);

#endif
