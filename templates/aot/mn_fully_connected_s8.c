#include "mn_fully_connected_s8.h"

#include "mn_tile.h"

void mn_fully_connected_s8(const struct mn_fully_connected_s8_params *p, const int8_t *in, int8_t *out)
{
    const struct mn_output_s8 *output = &p->output;
    const int32_t twice_zero_point_1 = 2 * output->zero_point + 1;
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
            if (output->narrow) {
                out[c] = mn_output_narrow(acc.c0, output->multiplier[c], output->shift[c], twice_zero_point_1);
            } else {
                out[c] = mn_output_any(output, acc.c0, c);
            }
            if (c + 1 == p->out_c) {
                break;
            }
            if (output->narrow) {
                out[c + 1] =
                    mn_output_narrow(acc.c1, output->multiplier[c + 1], output->shift[c + 1], twice_zero_point_1);
            } else {
                out[c + 1] = mn_output_any(output, acc.c1, c + 1);
            }
        }
    }
}
