/* SPDX-License-Identifier: Apache-2.0 */
#include "mn_columns.h"

#include "mn_tile.h"

void mn_columns_s8(const struct mn_columns *p, const uint32_t *columns, int8_t *out_a, int8_t *out_b)
{
    const struct mn_output_s8 *output = p->output;
    const int32_t rounding_offset = mn_rounding_offset(output);
    const int32_t *multiplier = output->multiplier;
    const int8_t *shift = output->shift;
    const int32_t *bias = p->bias;
    const int8_t *weights = p->weights;

    for (int32_t c = 0; c < p->out_c; c += 2) {
        struct mn_acc_2x2 acc = {bias[0], bias[0], bias[1], bias[1]};
        bias += 2;
        weights = mn_tile_2x2(weights, columns, p->groups, &acc);
        if (output->bounded) {
            out_b[c] = mn_output_bounded(acc.b0, multiplier[c], shift[c], rounding_offset);
            out_a[c] = mn_output_bounded(acc.a0, multiplier[c], shift[c], rounding_offset);
            if (c + 1 < p->out_c) {
                out_b[c + 1] = mn_output_bounded(acc.b1, multiplier[c + 1], shift[c + 1], rounding_offset);
                out_a[c + 1] = mn_output_bounded(acc.a1, multiplier[c + 1], shift[c + 1], rounding_offset);
            }
        } else {
            out_b[c] = mn_output_any(output, acc.b0, c);
            out_a[c] = mn_output_any(output, acc.a0, c);
            if (c + 1 < p->out_c) {
                out_b[c + 1] = mn_output_any(output, acc.b1, c + 1);
                out_a[c + 1] = mn_output_any(output, acc.a1, c + 1);
            }
        }
    }
}
