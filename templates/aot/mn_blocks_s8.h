/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of int16 activations against blocks of four output channels: the inner loops of convolution and fully
 * connected layers.
 *
 * Layout. A group is four products deep. The channels A, B, C, D of a block come as two words for each two products:
 * halves wA + 256 wB, then halves wC + 256 wD, first the products 0 and 2 of a group, then 1 and 3, which is the order
 * in which SXTB16 widens bytes. An accumulator of such words is A + 256 B; one of their low bytes alone is A; the
 * difference is 256 B, exact while B stays below 2^23, which the generator proves. So eight products of two positions
 * take two widenings, and no instruction to tell the channels apart.
 *
 * Columns are words of two products in the same order: of two positions in turn, or of one where only one is left.
 * What becomes of the sums is in mn_proved.h, one way a block. */
#ifndef MN_BLOCKS_S8_H
#define MN_BLOCKS_S8_H

#include "mn_simd.h"

#define MN_LEAST_TO_COPY 6  /* positions for which copying a block's weights pays */
#define MN_BLOCK 4          /* channels */
#define MN_GROUP_BYTES 16   /* weights of a block */
#define MN_GROUP_POSITION 8 /* a column */

struct mn_blocks_s8 {
    const int8_t *weights; /* [blocks][groups][16] */
    const int32_t *bias;   /* [blocks][4], less zero point times the sum of the weights: A, A + 256 B, C, C + 256 D */
    const int32_t *multiplier; /* [blocks][4], or [4] for all blocks */
    const int16_t *rounding;   /* the same: see mn_proved.h */
    int16_t groups;
    int16_t out_c;       /* at least four: the last block reaches back */
    int16_t zero_point;  /* of the output */
    int16_t output_step; /* of multiplier and rounding from block to block: 4, or 0 */
};

/* Whether a last position is without another: its column alone, or in the place of a pair's first. */
enum mn_single { MN_NONE, MN_COLUMN, MN_HALF_A_PAIR };

struct mn_positions {
    const uint32_t *columns;
    int32_t pairs;
    int32_t advance;     /* bytes of columns from pair to pair, whose columns may overlap */
    int32_t apart;       /* bytes of output from the first position of a pair to the second */
    int32_t out_advance; /* from pair to pair */
    enum mn_single single;
};

/* Writes out_c channels of each position, of the first at `out`. copy: room for one block's weights, which are then
 * read from there for all positions; NULL: they are read where they are. */
void mn_blocks_s8(const struct mn_blocks_s8 *p, const struct mn_positions *at, int8_t *out, int8_t *copy);

/* Columns of neighbouring positions, one pair after the other. */
static inline struct mn_positions mn_in_turn(const struct mn_blocks_s8 *p, const uint32_t *columns, int32_t positions)
{
    return (struct mn_positions){columns,  positions / 2, 2 * p->groups * MN_GROUP_POSITION,
                                 p->out_c, 2 * p->out_c,  positions % 2 != 0 ? MN_COLUMN : MN_NONE};
}

/* Where the column of a position begins among `positions`. */
static inline uint32_t *mn_column(uint32_t *columns, int32_t position, int32_t groups)
{
    return columns + (position & ~1) * groups * (MN_GROUP_POSITION / 4) + (position & 1);
}

/* Its words' distance: the last of an odd number stands alone. */
static inline int32_t mn_column_stride(int32_t position, int32_t positions)
{
    return position == positions - 1 && position % 2 == 0 ? 1 : 2;
}

#endif
