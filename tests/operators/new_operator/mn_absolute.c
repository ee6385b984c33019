/* SPDX-License-Identifier: Apache-2.0 */
#include "mn_absolute.h"

void mn_abs_s8(const struct mn_abs_s8_params *p, const int8_t *in, int8_t *out)
{
    for (int32_t i = 0; i < p->count; ++i) {
        int32_t mirrored = in[i] - p->zero_point;
        mirrored = (mirrored < 0 ? -mirrored : mirrored) + p->zero_point;
        out[i] = (int8_t)(mirrored > INT8_MAX ? INT8_MAX : mirrored);
    }
}
