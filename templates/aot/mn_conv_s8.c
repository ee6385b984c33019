/* SPDX-License-Identifier: Apache-2.0 */
#include "mn_conv_s8.h"

#include "mn_columns.h"

void mn_conv_s8(const struct mn_conv_s8_params *p, const int8_t *in, int8_t *out, void *scratch, int32_t first_row,
                int32_t rows)
{
    const int32_t depth = p->field.filter_height * p->field.filter_width * p->field.in_c;
    const struct mn_columns columns = {p->weights, p->bias, &p->output, (depth + 3) / 4, p->out_c};
    int8_t *patch = (int8_t *)scratch + columns.groups * 16;
    int32_t which = 0;

    for (int32_t oy = first_row; oy < first_row + rows; oy++) {
        const struct mn_field_rows row = mn_field_rows(&p->field, oy);
        for (int32_t ox = 0; ox < p->field.out_w; ox++) {
            mn_put_field(&p->field, &row, in, ox, (uint32_t *)scratch + which, 2, patch);
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
