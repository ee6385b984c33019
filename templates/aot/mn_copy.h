/* SPDX-License-Identifier: Apache-2.0 */
/* Moves the elements of a tensor: slices, transposes, joins and splits are strided copies. */
#ifndef MN_COPY_H
#define MN_COPY_H

#include <stdint.h>

#define MN_COPY_DIMS 5

/* Offsets, run and strides in bytes. Loops come outermost first; unused ones have size 1. */
struct mn_copy_params {
    int32_t in_offset;
    int32_t out_offset;
    int32_t run; /* bytes that lie together on both sides */
    int32_t size[MN_COPY_DIMS];
    int32_t in_stride[MN_COPY_DIMS]; /* may be negative */
    int32_t out_stride[MN_COPY_DIMS];
};

void mn_copy(const struct mn_copy_params *p, const void *in, void *out);

#endif
