/* SPDX-License-Identifier: Apache-2.0 */
#include "mn_fully_connected_s8.h"

#include "mn_tile.h"

void mn_fully_connected_s8(const struct mn_fully_connected_s8_params *p, const int8_t *in, int8_t *out)
{
    const struct mn_output_s8 *output = &p->output;
    const int32_t whole = p->in_c & ~3;

    for (int32_t row = 0; row < p->rows; row++, in += p->in_c, out += p->out_c) {
        const int8_t *weights = p->weights;
        for (int32_t c = 0; c < p->out_c; c += 2) {
            struct mn_acc_2x1 acc = {p->bias[c], p->bias[c + 1]};
            weights = mn_tile_2x1(weights, in, whole >> 2, &acc);
            if (whole < p->in_c) {
                const uint32_t last = mn_load_tail(in + whole, p->in_c - whole);
                weights = mn_tile_2x1(weights, (const int8_t *)&last, 1, &acc);
            }
            out[c] = mn_output(output, acc.c0, c);
            if (c + 1 < p->out_c) {
                out[c + 1] = mn_output(output, acc.c1, c + 1);
            }
        }
    }
}
