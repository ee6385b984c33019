/* SPDX-License-Identifier: Apache-2.0 */
/* Two columns of activations against all output channels. */
#ifndef MN_COLUMNS_H
#define MN_COLUMNS_H

#include "mn_output.h"

struct mn_columns {
    const int8_t *weights;
    const int32_t *bias;
    const struct mn_output_s8 *output;
    int32_t groups; /* of four products */
    int32_t out_c;
};

/* out_b may equal out_a: column b is then computed in vain and column a's outputs stand. */
void mn_columns_s8(const struct mn_columns *p, const uint32_t *columns, int8_t *out_a, int8_t *out_b);

#endif
