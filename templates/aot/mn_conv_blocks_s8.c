/* SPDX-License-Identifier: Apache-2.0 */
#include "mn_conv_blocks_s8.h"

#include <stddef.h>

/* Where the weights of blocks go for so many positions. */
static int8_t *copy_of(const struct mn_chunks *chunk, int32_t positions, void *scratch)
{
    return chunk->copies && positions >= MN_LEAST_TO_COPY ? scratch : NULL;
}

/* The room for columns, behind that for weights. */
static uint32_t *columns_of(const struct mn_chunks *chunk, int32_t groups, void *scratch)
{
    return (uint32_t *)scratch + (chunk->copies ? groups * (MN_GROUP_BYTES / 4) : 0);
}

void mn_conv_1x1_blocks_s8(const struct mn_conv_1x1_blocks_s8_params *p, const int8_t *in, int8_t *out, void *scratch)
{
    const int32_t groups = p->blocks.groups;
    uint32_t *columns = columns_of(&p->chunk, groups, scratch);

    for (int32_t left = p->positions; left > 0;) {
        const int32_t count = left < p->chunk.positions ? left : p->chunk.positions;
        for (int32_t i = 0; i < count; i++, in += p->in_c) {
            mn_widen(in, p->in_c, mn_column(columns, i, groups), mn_column_stride(i, count));
        }
        const struct mn_positions at = mn_in_turn(&p->blocks, columns, count);
        mn_blocks_s8(&p->blocks, &at, out, copy_of(&p->chunk, count, scratch));
        out += count * p->blocks.out_c;
        left -= count;
    }
}

void mn_conv_blocks_s8(const struct mn_conv_blocks_s8_params *p, const int8_t *in, int8_t *out, void *scratch,
                       int32_t first_row, int32_t rows)
{
    const struct mn_field field = p->field; /* read often: not from flash */
    const int32_t groups = p->blocks.groups;
    uint32_t *columns = columns_of(&p->chunk, groups, scratch);
    int8_t *patch = (int8_t *)(columns + p->chunk.positions * groups * (MN_GROUP_POSITION / 4));
    struct mn_field_rows row = mn_field_rows(&field, first_row);
    int32_t oy = first_row;
    int32_t ox = 0;

    for (int32_t left = rows * p->field.out_w; left > 0;) {
        const int32_t count = left < p->chunk.positions ? left : p->chunk.positions;
        for (int32_t i = 0; i < count; i++) {
            mn_put_field(&field, &row, in, ox, mn_column(columns, i, groups), mn_column_stride(i, count), patch);
            if (++ox == p->field.out_w) {
                ox = 0;
                row = mn_field_rows(&field, ++oy);
            }
        }
        const struct mn_positions at = mn_in_turn(&p->blocks, columns, count);
        mn_blocks_s8(&p->blocks, &at, out, copy_of(&p->chunk, count, scratch));
        out += count * p->blocks.out_c;
        left -= count;
    }
}
