/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors times a matrix: fully connected layers, 1x1 convolutions, and the core of the others. */
#ifndef MN_VECTORS_S8_MVE_H
#define MN_VECTORS_S8_MVE_H

#include "mn_mve.h"

struct mn_vectors_s8_mve_params {
    int32_t vectors;
    int32_t in_c, out_c;
    const int8_t *weights; /* [out_c][in_c] */
    const int32_t *bias;   /* one a channel, less zero point times the sum of the weights; a multiple of four */
    struct mn_output_mve output;
};

void mn_vectors_s8_mve(const struct mn_vectors_s8_mve_params *p, const int8_t *in, int8_t *out);

#endif
