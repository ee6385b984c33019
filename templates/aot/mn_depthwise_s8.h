/* SPDX-License-Identifier: Apache-2.0 */
/* DEPTHWISE_CONV_2D on int8 with depth multiplier 1: four channels at a time. */
#ifndef MN_DEPTHWISE_S8_H
#define MN_DEPTHWISE_S8_H

#include "mn_output.h"

struct mn_depthwise_s8_params {
    int16_t in_h, in_w, channels;
    int16_t in_rows; /* how many of the in_h rows the input holds: see mn_window.h */
    int16_t out_w;
    int16_t filter_height, filter_width;
    int16_t stride_h, stride_w;
    int16_t dilation_h, dilation_w;
    int16_t pad_h, pad_w;
    int16_t in_zero_point;
    const int8_t *weights; /* [ceil(channels / 4)][filter_height][filter_width][4], zeros beyond the last channel */
    const int32_t *bias;   /* one a channel; a multiple of four */
    struct mn_output_s8 output;
};

/* Makes `rows` output rows from first_row on, the first of them at `out`.
 * scratch: 8 * filter_height * filter_width bytes, aligned to four: the taps of a window. */
void mn_depthwise_s8(const struct mn_depthwise_s8_params *p, const int8_t *in, int8_t *out, void *scratch,
                     int32_t first_row, int32_t rows);

#endif
