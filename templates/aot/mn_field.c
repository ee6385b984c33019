/* SPDX-License-Identifier: Apache-2.0 */
#include "mn_field.h"

#include "mn_window.h"

/* Where the taps of a row that lie on the input are, and how many bytes lie side by side. */
struct taps {
    const int8_t *from; /* the first tap's, in the first row of the input */
    int32_t pieces;     /* of a row */
    int32_t bytes;      /* of a piece */
    int32_t between;    /* bytes from piece to piece */
    int32_t first;      /* byte of the field that is the first tap's */
};

/* Bytes, as they are. */
static void copy_taps(const struct mn_field *p, const struct mn_field_rows *y, const struct taps *t, int8_t *to)
{
    int32_t slot = y->slot;
    to += t->first;
    for (int32_t rows = y->rows; rows > 0; rows--, to += y->bytes) {
        const int8_t *piece = t->from + slot * y->in_bytes;
        int8_t *at = to;
        for (int32_t pieces = t->pieces; pieces > 0; pieces--, piece += t->between) {
            const int8_t *from = piece;
            int32_t n = t->bytes;
            for (; n >= 4; n -= 4, from += 4, at += 4) {
                mn_store32(at, mn_load32(from));
            }
            for (; n > 0; n--) {
                *at++ = *from++;
            }
        }
        slot = mn_slot_below(slot, p->dilation_h, p->in_rows);
    }
}

/* Straight into a column: pieces are multiples of four bytes. */
static inline void widen_taps(const struct mn_field *p, const struct mn_field_rows *y, const struct taps *t,
                              uint32_t *column, int32_t stride)
{
    int32_t slot = y->slot;
    column += t->first / 2 * stride;
    for (int32_t rows = y->rows; rows > 0; rows--, column += y->bytes / 2 * stride) {
        const int8_t *piece = t->from + slot * y->in_bytes;
        uint32_t *at = column;
        for (int32_t pieces = t->pieces; pieces > 0; pieces--, piece += t->between, at += t->bytes / 2 * stride) {
            mn_widen_groups(piece, t->bytes, at, stride);
        }
        slot = mn_slot_below(slot, p->dilation_h, p->in_rows);
    }
}

static void pad(const struct mn_field *p, uint32_t *column, int32_t depth, int32_t stride)
{
    const uint32_t both = ((uint32_t)p->in_zero_point & 0xFFFFu) * 0x10001u;
    for (int32_t i = 0; i < depth / 2; i++, column += stride) {
        *column = both;
    }
}

struct mn_field_rows mn_field_rows(const struct mn_field *p, int32_t oy)
{
    const struct mn_window y = mn_clip(oy * p->stride_h - p->pad_h, p->filter_height, p->dilation_h, p->in_h);
    const int32_t bytes = p->filter_width * p->in_c;
    return (struct mn_field_rows){mn_slot(y.at, p->in_rows), y.count, y.first * bytes, bytes, p->in_w * p->in_c};
}

int32_t mn_field_below(const struct mn_field *p, int32_t slot)
{
    return mn_slot_below(slot, p->dilation_h, p->in_rows);
}

void mn_put_field(const struct mn_field *p, const struct mn_field_rows *y, const int8_t *in, int32_t ox,
                  uint32_t *column, int32_t stride, int8_t *patch)
{
    const int32_t in_c = p->in_c;
    const int32_t start = ox * p->stride_w - p->pad_w;
    const int32_t depth = p->filter_height * y->bytes;
    struct mn_window x = {0, p->filter_width, start};
    if (start < 0 || start + (p->filter_width - 1) * p->dilation_w >= p->in_w) {
        x = mn_clip(start, p->filter_width, p->dilation_w, p->in_w);
    }
    const int padded = y->rows < p->filter_height || x.count < p->filter_width;
    struct taps taps = {in + x.at * in_c, 1, x.count * in_c, 0, y->first + x.first * in_c};
    if (p->dilation_w > 1) {
        taps.pieces = x.count;
        taps.bytes = in_c;
        taps.between = p->dilation_w * in_c;
    }
    if (in_c % 4 != 0) {
        if (padded) {
            memset(patch, p->in_zero_point, (size_t)depth);
        }
        copy_taps(p, y, &taps, patch);
        mn_widen(patch, depth, column, stride);
        return;
    }
    if (padded) {
        pad(p, column, depth, stride);
    }
    if (stride == 2) {
        widen_taps(p, y, &taps, column, 2);
    } else {
        widen_taps(p, y, &taps, column, 1);
    }
}

void mn_widen(const int8_t *from, int32_t n, uint32_t *column, int32_t stride)
{
    const int32_t whole = n & ~3;
    if (stride == 2) {
        mn_widen_groups(from, whole, column, 2);
    } else {
        mn_widen_groups(from, whole, column, 1);
    }
    if (whole < n) {
        uint32_t x = 0;
        for (int32_t i = whole; i < n; i++) {
            x |= (uint32_t)(uint8_t)from[i] << (8 * (i - whole));
        }
        mn_widen_group(x, column + whole / 2 * stride, stride);
    }
}
