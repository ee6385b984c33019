/* SPDX-License-Identifier: Apache-2.0 */
#include "mn_conv_s8.h"

#include "mn_columns.h"
#include "mn_tile.h"
#include "mn_window.h"

/* Where the receptive field of one output position goes: straight into a column (in_c a multiple of four), or
 * into the patch, as bytes. */
struct field {
    uint32_t *column;
    int32_t which;
    int8_t *patch;
};

static void put(struct field *to, const int8_t *from, int32_t n)
{
    if (to->patch == NULL) {
        mn_widen(from, n, to->column, to->which);
        to->column += n;
        return;
    }
    for (; n >= 4; n -= 4, from += 4, to->patch += 4) {
        mn_store32(to->patch, mn_load32(from));
    }
    for (; n > 0; n--) {
        *to->patch++ = *from++;
    }
}

static void put_padding(struct field *to, int8_t zero_point, int32_t n)
{
    if (to->patch == NULL) {
        const uint32_t both = ((uint32_t)zero_point & 0xFFFFu) * 0x10001u;
        uint32_t *word = to->column + to->which;
        to->column += n;
        for (; word < to->column; word += MN_COLUMN_WORDS) {
            word[0] = both;
            word[2] = both;
        }
        return;
    }
    for (; n > 0; n--) {
        *to->patch++ = zero_point;
    }
}

/* One row of the receptive field, from input column x on. */
static void put_row(const struct mn_conv_s8_params *p, const int8_t *row, int32_t x, struct field *to)
{
    const int32_t end = x + p->filter_width * p->dilation_w;
    if (p->dilation_w == 1 && x >= 0 && end <= p->in_w) {
        put(to, row + x * p->in_c, p->filter_width * p->in_c);
        return;
    }
    for (; x < end; x += p->dilation_w) {
        if (x >= 0 && x < p->in_w) {
            put(to, row + x * p->in_c, p->in_c);
        } else {
            put_padding(to, (int8_t)p->in_zero_point, p->in_c);
        }
    }
}

static void put_field(const struct mn_conv_s8_params *p, const int8_t *in, int32_t y, int32_t x, struct field *to)
{
    int32_t slot = mn_slot(y, p->in_rows);
    for (int32_t ky = 0; ky < p->filter_height; ky++, y += p->dilation_h) {
        if (y >= 0 && y < p->in_h) {
            put_row(p, in + slot * p->in_w * p->in_c, x, to);
        } else {
            put_padding(to, (int8_t)p->in_zero_point, p->filter_width * p->in_c);
        }
        slot = mn_slot_below(slot, p->dilation_h, p->in_rows);
    }
}

void mn_conv_s8(const struct mn_conv_s8_params *p, const int8_t *in, int8_t *out, void *scratch, int32_t first_row,
                int32_t rows)
{
    const int32_t depth = p->filter_height * p->filter_width * p->in_c;
    const struct mn_columns columns = {p->weights, p->bias, &p->output, (depth + 3) / 4, p->out_c};
    int8_t *patch = p->in_c % 4 == 0 ? NULL : (int8_t *)scratch + columns.groups * 16;
    int32_t which = 0;

    for (int32_t oy = first_row; oy < first_row + rows; oy++) {
        for (int32_t ox = 0; ox < p->out_w; ox++) {
            struct field to = {scratch, which, patch};
            put_field(p, in, oy * p->stride_h - p->pad_h, ox * p->stride_w - p->pad_w, &to);
            if (patch != NULL) {
                mn_widen(patch, depth, scratch, which);
            }
            if (which == 1) {
                mn_columns_s8(&columns, scratch, out, out + p->out_c);
                out += 2 * p->out_c;
            }
            which ^= 1;
        }
    }
    if (which == 1) {
        mn_columns_s8(&columns, scratch, out, out);
    }
}
