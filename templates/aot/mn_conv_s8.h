/* SPDX-License-Identifier: Apache-2.0 */
/* CONV_2D on int8 where mn_conv_blocks_s8 cannot prove that it is exact: two output positions and two output channels
 * at a time. */
#ifndef MN_CONV_S8_H
#define MN_CONV_S8_H

#include "mn_field.h"
#include "mn_output.h"

struct mn_conv_s8_params {
    struct mn_field field;
    int16_t out_c;
    const int8_t *weights; /* pairs of channels, see mn_tile.h */
    const int32_t *bias;   /* one a channel, less zero point times the sum of the weights; an even number */
    struct mn_output_s8 output;
};

/* Any kernel, stride, padding and dilation; makes `rows` output rows from first_row on, the first of them at `out`.
 * scratch: 16-bit column buffer of 4 * ceil4(filter_height * filter_width * in_c) bytes, then, unless in_c is a
 * multiple of four, an int8 patch of ceil4(filter_height * filter_width * in_c) bytes. */
void mn_conv_s8(const struct mn_conv_s8_params *p, const int8_t *in, int8_t *out, void *scratch, int32_t first_row,
                int32_t rows);

#endif
