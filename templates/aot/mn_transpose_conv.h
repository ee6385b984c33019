/* SPDX-License-Identifier: Apache-2.0 */
/* Transposed convolution. */
#ifndef MN_TRANSPOSE_CONV_H
#define MN_TRANSPOSE_CONV_H

#include <stddef.h>
#include <stdint.h>

/* Extents in elements. Input element i reaches outputs i * stride - pad and the kernel - 1 after it. */
struct mn_transpose_conv_s8_params {
    int32_t batches;
    int32_t in_h, in_w, in_c;
    int32_t out_h, out_w, out_c;
    int32_t filter_height, filter_width;
    int32_t stride_h, stride_w;
    int32_t pad_h, pad_w;
    int32_t in_offset; /* added to every input: its negative zero point */
    int32_t out_offset;
    int32_t act_min, act_max;
    const int8_t *weights;     /* [out_c][filter_height][filter_width][in_c] */
    const int32_t *bias;       /* [out_c] or NULL */
    const int32_t *multiplier; /* [out_c] */
    const int32_t *shift;      /* [out_c] */
};

/* Zero points are 0. */
struct mn_transpose_conv_s16_params {
    int32_t batches;
    int32_t in_h, in_w, in_c;
    int32_t out_h, out_w, out_c;
    int32_t filter_height, filter_width;
    int32_t stride_h, stride_w;
    int32_t pad_h, pad_w;
    int32_t act_min, act_max;
    const int8_t *weights;
    const int64_t *bias;
    const int32_t *multiplier;
    const int32_t *shift;
};

void mn_transpose_conv_s8(const struct mn_transpose_conv_s8_params *p, const int8_t *in, int8_t *out);
void mn_transpose_conv_s16(const struct mn_transpose_conv_s16_params *p, const int16_t *in, int16_t *out);

#endif
