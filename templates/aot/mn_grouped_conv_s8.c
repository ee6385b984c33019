/* SPDX-License-Identifier: Apache-2.0 */
#include "mn_grouped_conv.h"

#include "mn_window.h"

static int32_t accumulate(const struct mn_grouped_conv *s, const int8_t *in, const int8_t *weights, int32_t y,
                          int32_t x, int32_t acc)
{
    int32_t slot = mn_slot(y, s->in_rows);
    for (int32_t ky = 0; ky < s->filter_height; ky++, y += s->dilation_h) {
        int32_t column = x;
        for (int32_t kx = 0; kx < s->filter_width; kx++, column += s->dilation_w, weights += s->group_in) {
            if (y < 0 || y >= s->in_h || column < 0 || column >= s->in_w) {
                continue;
            }
            const int8_t *from = in + (slot * s->in_w + column) * s->in_c;
            for (int32_t i = 0; i < s->group_in; i++) {
                acc += weights[i] * (from[i] - s->in_zero_point);
            }
        }
        slot = mn_slot_below(slot, s->dilation_h, s->in_rows);
    }
    return acc;
}

void mn_grouped_conv_s8(const struct mn_grouped_conv_s8_params *p, const int8_t *in, int8_t *out, int32_t first_row,
                        int32_t rows)
{
    const struct mn_grouped_conv *s = &p->shape;
    const int32_t depth = s->filter_height * s->filter_width * s->group_in;
    for (int32_t oy = first_row; oy < first_row + rows; oy++) {
        for (int32_t ox = 0; ox < s->out_w; ox++) {
            const int32_t y = oy * s->stride_h - s->pad_h, x = ox * s->stride_w - s->pad_w;
            for (int32_t c = 0; c < s->out_c; c++) {
                const int8_t *group = in + c / s->group_out * s->group_in;
                const int32_t acc = accumulate(s, group, p->weights + c * depth, y, x, p->bias[c]);
                *out++ = mn_output_any(&p->output, acc, c);
            }
        }
    }
}
