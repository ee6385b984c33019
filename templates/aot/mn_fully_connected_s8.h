/* SPDX-License-Identifier: Apache-2.0 */
/* FULLY_CONNECTED on int8. */
#ifndef MN_FULLY_CONNECTED_S8_H
#define MN_FULLY_CONNECTED_S8_H

#include "mn_output.h"

struct mn_fully_connected_s8_params {
    int16_t rows; /* vectors in the input */
    int16_t in_c, out_c;
    const int8_t *weights; /* pairs of output channels, see mn_tile.h */
    const int32_t *bias;   /* one a channel, less zero point times the sum of the weights; an even number */
    struct mn_output_s8 output;
};

void mn_fully_connected_s8(const struct mn_fully_connected_s8_params *p, const int8_t *in, int8_t *out);

#endif
