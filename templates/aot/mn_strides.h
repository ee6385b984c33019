/* SPDX-License-Identifier: Apache-2.0 */
/* Walks tensors whose dimensions were merged at generation: sizes and steps in elements, outermost first. */
#ifndef MN_STRIDES_H
#define MN_STRIDES_H

#include <stdint.h>

/* Offset of element `index`, counted in row-major order of `size`, in a tensor that steps by `step`. */
static inline int32_t mn_offset(const int32_t *size, const int32_t *step, int32_t rank, int32_t index)
{
    int32_t offset = 0;
    for (int32_t d = rank - 1; d >= 0; --d) {
        offset += index % size[d] * step[d];
        index /= size[d];
    }
    return offset;
}

#endif
