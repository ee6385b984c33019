/* SPDX-License-Identifier: Apache-2.0 */
/* Surrounds a tensor with a border of one value. */
#ifndef MN_PAD_H
#define MN_PAD_H

#include <stdint.h>

#define MN_PAD_DIMS 4

/* Sizes and strides in bytes. Loops over the input come outermost first; unused ones have size 1. */
struct mn_pad_params {
    uint32_t value;  /* the border's element, in the low bytes */
    int32_t element; /* bytes of it */
    int32_t out_bytes;
    int32_t out_offset; /* where the first run goes */
    int32_t run;        /* bytes of the input that stay together */
    int32_t size[MN_PAD_DIMS];
    int32_t out_stride[MN_PAD_DIMS];
};

void mn_pad(const struct mn_pad_params *p, const void *in, void *out);

#endif
