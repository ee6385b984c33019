/* SPDX-License-Identifier: Apache-2.0 */
/* CONV_2D on int8 with MVE. */
#ifndef MN_CONV_S8_MVE_H
#define MN_CONV_S8_MVE_H

#include "mn_vectors_s8_mve.h"

struct mn_conv_s8_mve_params {
    int16_t in_h, in_w, in_c;
    int16_t in_rows; /* how many of the in_h rows the input holds: see mn_window.h */
    int16_t out_w;
    int16_t filter_height, filter_width;
    int16_t stride_h, stride_w;
    int16_t dilation_h, dilation_w;
    int16_t pad_h, pad_w;
    int16_t in_zero_point;
    struct mn_vectors_s8_mve_params position; /* one output position: its receptive field times the weights */
};

/* Makes `rows` output rows from first_row on, the first of them at `out`.
 * scratch: filter_height * filter_width * in_c bytes. */
void mn_conv_s8_mve(const struct mn_conv_s8_mve_params *p, const int8_t *in, int8_t *out, void *scratch,
                    int32_t first_row, int32_t rows);

#endif
