/* SPDX-License-Identifier: Apache-2.0 */
/* The receptive field of an output position as a column of int16: groups of four bytes, bytes 0 and 2 in one word, 1
 * and 3 in the next, which is how SXTB16 widens them. */
#ifndef MN_FIELD_H
#define MN_FIELD_H

#include "mn_simd.h"

struct mn_field {
    int16_t in_h, in_w, in_c;
    int16_t in_rows; /* how many of the in_h rows the input holds: see mn_window.h */
    int16_t out_w;
    int16_t filter_height, filter_width;
    int16_t stride_h, stride_w;
    int16_t dilation_h, dilation_w;
    int16_t pad_h, pad_w;
    int16_t in_zero_point;
};

/* Widens n bytes (n > 0) into a column, whose words lie `stride` apart. */
static inline void mn_widen(const int8_t *from, int32_t n, uint32_t *column, int32_t stride)
{
    for (; n >= 4; n -= 4, from += 4, column += 2 * stride) {
        const uint32_t x = mn_load32(from);
        column[0] = mn_sxtb16(x);
        column[stride] = mn_sxtb16_ror8(x);
    }
    if (n > 0) {
        uint32_t x = 0;
        for (int32_t i = 0; i < n; i++) {
            x |= (uint32_t)(uint8_t)from[i] << (8 * i);
        }
        column[0] = mn_sxtb16(x);
        column[stride] = mn_sxtb16_ror8(x);
    }
}

/* The column of output position (oy, ox). patch: room for its bytes, a multiple of four; unused where in_c is one. */
void mn_put_field(const struct mn_field *p, const int8_t *in, int32_t oy, int32_t ox, uint32_t *column, int32_t stride,
                  int8_t *patch);

#endif
