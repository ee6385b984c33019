/* SPDX-License-Identifier: Apache-2.0 */
#include "mn_conv_s8_mve.h"

#include <stddef.h>

#include "mn_window.h"

/* Copies n bytes, or sets them to `value` where there is nothing to copy; returns the end. */
static inline int8_t *put(int8_t *to, const int8_t *from, int8_t value, int32_t n)
{
    for (int32_t left = n; left > 0; left -= 16) {
        const mve_pred16_t some = vctp8q((uint32_t)left);
        vstrbq_p_s8(to + n - left, from != NULL ? vldrbq_z_s8(from + n - left, some) : vdupq_n_s8(value), some);
    }
    return to + n;
}

__attribute__((always_inline)) static inline int8_t *put_row(const struct mn_conv_s8_mve_params *p, const int8_t *row,
                                                             int32_t x, int8_t *to)
{
    const int8_t zero_point = (int8_t)p->in_zero_point;
    const int32_t end = x + p->filter_width * p->dilation_w;
    if (row == NULL) {
        return put(to, NULL, zero_point, p->filter_width * p->in_c);
    }
    if (p->dilation_w == 1 && x >= 0 && end <= p->in_w) {
        return put(to, row + x * p->in_c, zero_point, p->filter_width * p->in_c);
    }
    for (; x < end; x += p->dilation_w) {
        to = put(to, x >= 0 && x < p->in_w ? row + x * p->in_c : NULL, zero_point, p->in_c);
    }
    return to;
}

/* ring: whether the input's rows may begin anew within a window; a constant, so that whole inputs pay nothing. */
__attribute__((always_inline)) static inline void make_rows(const struct mn_conv_s8_mve_params *p, const int8_t *in,
                                                            int8_t *out, void *scratch, int32_t first_row, int32_t rows,
                                                            const int ring)
{
    for (int32_t oy = first_row; oy < first_row + rows; oy++) {
        for (int32_t ox = 0; ox < p->out_w; ox++, out += p->position.out_c) {
            int8_t *patch = scratch;
            int32_t y = oy * p->stride_h - p->pad_h;
            for (int32_t ky = 0; ky < p->filter_height; ky++, y += p->dilation_h) {
                const int32_t slot = ring ? mn_slot(y, p->in_rows) : y;
                const int8_t *row = y >= 0 && y < p->in_h ? in + slot * p->in_w * p->in_c : NULL;
                patch = put_row(p, row, ox * p->stride_w - p->pad_w, patch);
            }
            mn_vectors_s8_mve(&p->position, scratch, out);
        }
    }
}

void mn_conv_s8_mve(const struct mn_conv_s8_mve_params *p, const int8_t *in, int8_t *out, void *scratch,
                    int32_t first_row, int32_t rows)
{
    if (p->in_rows < p->in_h) {
        make_rows(p, in, out, scratch, first_row, rows, 1);
    } else {
        make_rows(p, in, out, scratch, first_row, rows, 0);
    }
}
