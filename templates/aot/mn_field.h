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

/* Four bytes into a column at words 0 and `stride`. */
static inline void mn_widen_group(uint32_t x, uint32_t *column, int32_t stride)
{
    column[0] = mn_sxtb16(x);
    column[stride] = mn_sxtb16_ror8(x);
}

/* Widens n bytes, a multiple of four, into words that lie `stride` apart: sixteen at a time, from rows of loads. */
#if defined(__ARM_FEATURE_DSP)
#define MN_WIDEN_16(stride)                                                                               \
    __asm__ volatile("b       2f                                 \n\t" MN_ALIGN                           \
                     "1:                                         \n\t"                                    \
                     "ldr.w   %[x0], [%[from]], #16              \n\t"                                    \
                     "ldr.w   %[x1], [%[from], #-12]             \n\t"                                    \
                     "ldr.w   %[x2], [%[from], #-8]              \n\t"                                    \
                     "ldr.w   %[x3], [%[from], #-4]              \n\t"                                    \
                     "sxtb16  %[y], %[x0]                        \n\t"                                    \
                     "sxtb16  %[x0], %[x0], ror #8               \n\t"                                    \
                     "str.w   %[y], [%[to]], #32 * " #stride "   \n\t"                                    \
                     "str.w   %[x0], [%[to], #-28 * " #stride "] \n\t"                                    \
                     "sxtb16  %[y], %[x1]                        \n\t"                                    \
                     "sxtb16  %[x1], %[x1], ror #8               \n\t"                                    \
                     "str.w   %[y], [%[to], #-24 * " #stride "]  \n\t"                                    \
                     "str.w   %[x1], [%[to], #-20 * " #stride "] \n\t"                                    \
                     "sxtb16  %[y], %[x2]                        \n\t"                                    \
                     "sxtb16  %[x2], %[x2], ror #8               \n\t"                                    \
                     "str.w   %[y], [%[to], #-16 * " #stride "]  \n\t"                                    \
                     "str.w   %[x2], [%[to], #-12 * " #stride "] \n\t"                                    \
                     "sxtb16  %[y], %[x3]                        \n\t"                                    \
                     "sxtb16  %[x3], %[x3], ror #8               \n\t"                                    \
                     "str.w   %[y], [%[to], #-8 * " #stride "]   \n\t"                                    \
                     "str.w   %[x3], [%[to], #-4 * " #stride "]  \n\t"                                    \
                     "2:                                         \n\t"                                    \
                     "subs.w  %[n], %[n], #16                    \n\t"                                    \
                     "bge.w   1b                                 \n\t"                                    \
                     : [from] "+r"(from), [to] "+r"(column), [n] "+r"(n), [x0] "=&r"(x0), [x1] "=&r"(x1), \
                       [x2] "=&r"(x2), [x3] "=&r"(x3), [y] "=&r"(y)                                       \
                     :                                                                                    \
                     : "cc", "memory")

static inline void mn_widen_groups(const int8_t *from, int32_t n, uint32_t *column, int32_t stride)
{
    uint32_t x0, x1, x2, x3, y;
    if (stride == 2) {
        MN_WIDEN_16(2);
    } else {
        MN_WIDEN_16(1);
    }
    for (n += 16; n > 0; n -= 4, from += 4, column += 2 * stride) {
        mn_widen_group(mn_load32(from), column, stride);
    }
}
#else
static inline void mn_widen_groups(const int8_t *from, int32_t n, uint32_t *column, int32_t stride)
{
    for (; n > 0; n -= 4, from += 4, column += 2 * stride) {
        mn_widen_group(mn_load32(from), column, stride);
    }
}
#endif

/* Widens n bytes into a column whose words lie one or two apart. */
void mn_widen(const int8_t *from, int32_t n, uint32_t *column, int32_t stride);

/* What the fields of one output row have in common. */
struct mn_field_rows {
    int32_t slot;     /* of the input's first row that the window meets */
    int32_t rows;     /* that it meets; none where below 1 */
    int32_t first;    /* byte of the field where they begin */
    int32_t bytes;    /* of a row of the field */
    int32_t in_bytes; /* of a row of the input */
};

struct mn_field_rows mn_field_rows(const struct mn_field *p, int32_t oy);

/* The slot of the row that the next taps meet. */
int32_t mn_field_below(const struct mn_field *p, int32_t slot);

/* The column of output position ox of a row. patch: room for its bytes, a multiple of four; unused where in_c is one.
 */
void mn_put_field(const struct mn_field *p, const struct mn_field_rows *rows, const int8_t *in, int32_t ox,
                  uint32_t *column, int32_t stride, int8_t *patch);

#endif
