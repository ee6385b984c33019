/* SPDX-License-Identifier: Apache-2.0 */
#include "mn_conv_images_s8.h"

#include <stddef.h>

/* One half of an image's row: `count` input columns from x on, each `column` words from the one before. */
static void put_row(const struct mn_field *f, const int8_t *row, int32_t x, int32_t count, uint32_t *to, int32_t column)
{
    const uint32_t both = ((uint32_t)f->in_zero_point & 0xFFFFu) * 0x10001u;
    const int32_t in_c = f->in_c;
    const int32_t in_w = f->in_w;
    for (; count > 0; count--, x++, to += column) {
        if (row != NULL && x >= 0 && x < in_w) {
            mn_widen_groups(row + x * in_c, in_c, to, 2);
        } else {
            for (int32_t i = 0; i < in_c; i += 2) {
                to[i] = both;
            }
        }
    }
}

/* Columns from x on, and those `apart` further. */
static void put_image(const struct mn_field *f, const int8_t *in, int32_t oy, int32_t x, int32_t apart, int32_t count,
                      uint32_t *image)
{
    const struct mn_field_rows rows = mn_field_rows(f, oy);
    const int32_t column = f->filter_height * f->in_c;
    const int32_t first = rows.first / rows.bytes;
    int32_t slot = rows.slot;
    for (int32_t ky = 0; ky < f->filter_height; ky++, image += f->in_c) {
        const int8_t *row = NULL;
        if (ky >= first && ky < first + rows.rows) {
            row = in + slot * rows.in_bytes;
            slot = mn_field_below(f, slot);
        }
        put_row(f, row, x, count, image, column);
        put_row(f, row, x + apart, count, image + 1, column);
    }
}

void mn_conv_images_s8(const struct mn_conv_images_s8_params *p, const int8_t *in, int8_t *out, void *scratch,
                       int32_t first_row, int32_t rows)
{
    const struct mn_field f = p->field; /* read often: not from flash */
    const int32_t out_c = p->blocks.out_c;
    int8_t *copy = p->copies ? scratch : NULL;
    uint32_t *image = (uint32_t *)scratch + (copy != NULL ? p->blocks.groups * (MN_GROUP_BYTES / 4) : 0);

    for (int32_t oy = first_row; oy < first_row + rows; oy++) {
        for (int32_t ox = 0; ox < f.out_w;) {
            const int32_t left = f.out_w - ox;
            const int32_t count = left < 2 * p->pairs ? left : 2 * p->pairs;
            const int32_t half = (count + 1) / 2;
            const struct mn_positions at = {image,        count / 2, 4 * f.stride_w * f.filter_height * f.in_c,
                                            half * out_c, out_c,     count % 2 != 0 ? MN_HALF_A_PAIR : MN_NONE};
            put_image(&f, in, oy, ox * f.stride_w - f.pad_w, half * f.stride_w,
                      (half - 1) * f.stride_w + f.filter_width, image);
            mn_blocks_s8(&p->blocks, &at, out, copy);
            out += count * out_c;
            ox += count;
        }
    }
}
