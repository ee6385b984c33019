/* SPDX-License-Identifier: Apache-2.0 */
#include "mn_resize.h"

#include <string.h>

static void resize_row(const struct mn_resize_nearest_params *p, const uint8_t *in, uint8_t *out)
{
    const int32_t pixel = p->pixel;

    if (pixel == 1) {
        for (int32_t x = 0; x < p->out_w; x++) {
            out[x] = in[p->columns[x]];
        }
        return;
    }
    for (int32_t x = 0; x < p->out_w; x++, out += pixel) {
        memcpy(out, in + p->columns[x] * pixel, (size_t)pixel);
    }
}

void mn_resize_nearest(const struct mn_resize_nearest_params *p, const void *in, void *out)
{
    const int32_t in_row = p->in_w * p->pixel;
    const int32_t out_row = p->out_w * p->pixel;
    const uint8_t *from = in;
    uint8_t *to = out;

    for (int32_t batch = 0; batch < p->batches; batch++, from += p->in_h * in_row) {
        for (int32_t y = 0; y < p->out_h; y++, to += out_row) {
            if (y > 0 && p->rows[y] == p->rows[y - 1]) {
                memcpy(to, to - out_row, (size_t)out_row);
            } else {
                resize_row(p, from + p->rows[y] * in_row, to);
            }
        }
    }
}
