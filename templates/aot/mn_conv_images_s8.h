/* SPDX-License-Identifier: Apache-2.0 */
/* CONV_2D on int8 where neighbouring windows share most of their input: in_c a multiple of four, no dilation along
 * rows.
 *
 * A strip of one output row is cut in two halves. Its image of int16 holds the input columns that the first half meets,
 * each with all rows of the window, in turn with those of the second half. The window of a pair of positions, one of
 * each half, is one piece of the image, and the next pair's begins stride_w columns later: nothing is gathered twice.
 */
#ifndef MN_CONV_IMAGES_S8_H
#define MN_CONV_IMAGES_S8_H

#include "mn_blocks_s8.h"
#include "mn_field.h"

struct mn_conv_images_s8_params {
    struct mn_field field;
    int16_t pairs;              /* of a strip */
    int16_t copies;             /* whether the weights of a block are copied once a strip */
    struct mn_blocks_s8 blocks; /* weights: column of the window, row, input channel */
};

/* Makes `rows` output rows from first_row on, the first of them at `out`.
 * scratch: where `copies`, 16 * groups bytes for weights; then 4 * in_c * filter_height bytes for each of
 * (pairs - 1) * stride_w + filter_width columns. */
void mn_conv_images_s8(const struct mn_conv_images_s8_params *p, const int8_t *in, int8_t *out, void *scratch,
                       int32_t first_row, int32_t rows);

#endif
