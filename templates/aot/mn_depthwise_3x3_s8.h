/* SPDX-License-Identifier: Apache-2.0 */
/* DEPTHWISE_CONV_2D on int8 with depth multiplier 1 and 3x3 taps without dilation, strides of 1 or 2 along rows.
 *
 * Four channels at a time, a band of rows is transposed into four planes of int16, less the input's zero point, with
 * zeros as padding. Two neighbouring taps then lie in one word and are one SMLAD. A plane's rows begin with the padding
 * on the left, which is the padding on the right of the row before. */
#ifndef MN_DEPTHWISE_3X3_S8_H
#define MN_DEPTHWISE_3X3_S8_H

#include <stdint.h>

struct mn_depthwise_3x3_s8_params {
    int16_t in_h, in_w, channels; /* at least four channels: the last four reach back */
    int16_t in_rows;              /* how many of the in_h rows the input holds: see mn_window.h */
    int16_t out_w;
    int16_t stride_h, stride_w;
    int16_t pad_h, pad_w;
    int16_t in_zero_point, out_zero_point;
    int16_t band;              /* output rows at a time */
    int16_t row;               /* elements of a plane's row, even */
    int16_t output_step;       /* of multiplier and rounding from channel to channel: 1, or 0 */
    const int8_t *weights;     /* [channels][9] */
    const int32_t *bias;       /* one a channel */
    const int32_t *multiplier; /* one a channel, or one for all */
    const int16_t *rounding;   /* the same: see mn_proved.h */
};

/* Makes `rows` output rows from first_row on, the first of them at `out`.
 * scratch: four planes of ((band - 1) * stride_h + 3) * row elements, and 16 bytes. */
void mn_depthwise_3x3_s8(const struct mn_depthwise_3x3_s8_params *p, const int8_t *in, int8_t *out, void *scratch,
                         int32_t first_row, int32_t rows);

#endif
