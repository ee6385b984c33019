/* SPDX-License-Identifier: Apache-2.0 */
#include "mn_columns.h"
#include "mn_conv_s8.h"
#include "mn_tile.h"

void mn_conv_1x1_s8(const struct mn_conv_1x1_s8_params *p, const int8_t *in, int8_t *out, void *scratch)
{
    const struct mn_columns columns = {p->weights, p->bias, &p->output, (p->in_c + 3) / 4, p->out_c};
    int32_t left = p->positions;

    for (; left >= 2; left -= 2) {
        mn_widen(in, p->in_c, scratch, 0);
        mn_widen(in + p->in_c, p->in_c, scratch, 1);
        mn_columns_s8(&columns, scratch, out, out + p->out_c);
        in += 2 * p->in_c;
        out += 2 * p->out_c;
    }
    if (left > 0) {
        mn_widen(in, p->in_c, scratch, 0);
        mn_columns_s8(&columns, scratch, out, out);
    }
}
