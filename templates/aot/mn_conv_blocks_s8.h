/* SPDX-License-Identifier: Apache-2.0 */
/* CONV_2D and FULLY_CONNECTED on int8: a chunk of positions as columns, then all blocks of four output channels. */
#ifndef MN_CONV_BLOCKS_S8_H
#define MN_CONV_BLOCKS_S8_H

#include "mn_blocks_s8.h"
#include "mn_field.h"

/* scratch: where `copies`, 16 * groups bytes for weights; then 8 * groups bytes a column; then, for a convolution whose
 * in_c is no multiple of four, 4 * groups bytes. */
struct mn_chunks {
    int16_t positions; /* at a time: even, or 1 */
    int16_t copies;    /* whether the weights of a block are copied once a chunk: pays where several tiles read them */
};

struct mn_conv_1x1_blocks_s8_params {
    int32_t positions;
    int16_t in_c;
    struct mn_chunks chunk;
    struct mn_blocks_s8 blocks;
};

/* Kernel 1x1, stride 1; vectors times a matrix. */
void mn_conv_1x1_blocks_s8(const struct mn_conv_1x1_blocks_s8_params *p, const int8_t *in, int8_t *out, void *scratch);

struct mn_conv_blocks_s8_params {
    struct mn_field field;
    struct mn_chunks chunk;
    struct mn_blocks_s8 blocks;
};

/* Any kernel, stride, padding and dilation; makes `rows` output rows from first_row on, the first of them at `out`. */
void mn_conv_blocks_s8(const struct mn_conv_blocks_s8_params *p, const int8_t *in, int8_t *out, void *scratch,
                       int32_t first_row, int32_t rows);

#endif
