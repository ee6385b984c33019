/* SPDX-License-Identifier: Apache-2.0 */
/* CONV_2D on int8: two output positions and two output channels at a time. */
#ifndef MN_CONV_S8_H
#define MN_CONV_S8_H

#include "mn_output.h"

struct mn_conv_s8_params {
    int16_t in_h, in_w, in_c;
    int16_t in_rows; /* how many of the in_h rows the input holds: see mn_window.h */
    int16_t out_w, out_c;
    int16_t filter_height, filter_width;
    int16_t stride_h, stride_w;
    int16_t dilation_h, dilation_w;
    int16_t pad_h, pad_w;
    int16_t in_zero_point;
    const int8_t *weights; /* pairs of channels, see mn_tile.h */
    const int32_t *bias;   /* one a channel, less zero point times the sum of the weights; an even number */
    struct mn_output_s8 output;
};

/* Any kernel, stride, padding and dilation; makes `rows` output rows from first_row on, the first of them at `out`.
 * scratch: 16-bit column buffer of 4 * ceil4(filter_height * filter_width * in_c) bytes, then, unless in_c is a
 * multiple of four, an int8 patch of ceil4(filter_height * filter_width * in_c) bytes. */
void mn_conv_s8(const struct mn_conv_s8_params *p, const int8_t *in, int8_t *out, void *scratch, int32_t first_row,
                int32_t rows);

struct mn_conv_1x1_s8_params {
    int32_t positions;
    int16_t in_c, out_c;
    const int8_t *weights;
    const int32_t *bias;
    struct mn_output_s8 output;
};

/* Kernel 1x1, stride 1. scratch: 4 * ceil4(in_c) bytes. */
void mn_conv_1x1_s8(const struct mn_conv_1x1_s8_params *p, const int8_t *in, int8_t *out, void *scratch);

#endif
