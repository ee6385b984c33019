/* SPDX-License-Identifier: Apache-2.0 */
#include "mn_field.h"

#include <stddef.h>

#include "mn_window.h"

/* Where bytes go: straight into a column (in_c a multiple of four), or into the patch. */
struct place {
    uint32_t *column;
    int32_t stride;
    int8_t *patch;
};

static void put(struct place *to, const int8_t *from, int32_t n)
{
    if (to->patch == NULL) {
        mn_widen(from, n, to->column, to->stride);
        to->column += n / 2 * to->stride;
        return;
    }
    for (; n >= 4; n -= 4, from += 4, to->patch += 4) {
        mn_store32(to->patch, mn_load32(from));
    }
    for (; n > 0; n--) {
        *to->patch++ = *from++;
    }
}

static void put_padding(struct place *to, int8_t zero_point, int32_t n)
{
    if (to->patch == NULL) {
        const uint32_t both = ((uint32_t)zero_point & 0xFFFFu) * 0x10001u;
        for (; n > 0; n -= 2, to->column += to->stride) {
            *to->column = both;
        }
        return;
    }
    for (; n > 0; n--) {
        *to->patch++ = zero_point;
    }
}

/* One row of the receptive field, from input column x on. */
static void put_row(const struct mn_field *p, const int8_t *row, int32_t x, struct place *to)
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

void mn_put_field(const struct mn_field *p, const int8_t *in, int32_t oy, int32_t ox, uint32_t *column, int32_t stride,
                  int8_t *patch)
{
    struct place to = {column, stride, p->in_c % 4 == 0 ? NULL : patch};
    const int32_t x = ox * p->stride_w - p->pad_w;
    int32_t y = oy * p->stride_h - p->pad_h;
    int32_t slot = mn_slot(y, p->in_rows);
    for (int32_t ky = 0; ky < p->filter_height; ky++, y += p->dilation_h) {
        if (y >= 0 && y < p->in_h) {
            put_row(p, in + slot * p->in_w * p->in_c, x, &to);
        } else {
            put_padding(&to, (int8_t)p->in_zero_point, p->filter_width * p->in_c);
        }
        slot = mn_slot_below(slot, p->dilation_h, p->in_rows);
    }
    if (to.patch != NULL) {
        mn_widen(patch, p->filter_height * p->filter_width * p->in_c, column, stride);
    }
}
