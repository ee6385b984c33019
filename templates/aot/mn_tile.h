/* SPDX-License-Identifier: Apache-2.0 */
/* The inner loop of convolutions that are not computed in blocks: two output channels at a time.
 *
 * Weights come in pairs of channels, four of one and four of the other in turn, each channel padded with zeros to a
 * multiple of four, so that one double load brings what eight products need. Activations come widened to int16 in
 * columns (mn_field.h): the bytes 0 and 2 of a word meet those of the other side, then the bytes 1 and 3, which spares
 * all reordering. */
#ifndef MN_TILE_H
#define MN_TILE_H

#include "mn_simd.h"

/* A group is four products deep. In the column buffer it is four words:
 * column a bytes 0 and 2, column b bytes 0 and 2, column a bytes 1 and 3, column b bytes 1 and 3. */
#define MN_COLUMN_WORDS 4

struct mn_acc_2x2 {
    int32_t a0, b0; /* channel 0 with column a, with column b */
    int32_t a1, b1; /* channel 1 */
};

#if defined(__ARM_FEATURE_DSP)

/* In assembler, since the compiler neither forms ldrd with write-back nor keeps all of this in registers. */
#define MN_GROUP_2X2                                   \
    "ldrd   %[w0], %[w1], [%[w]], #8             \n\t" \
    "ldrd   %[xa], %[xb], [%[x]], #8             \n\t" \
    "sxtb16 %[t], %[w0]                          \n\t" \
    "smlad  %[a0], %[t], %[xa], %[a0]            \n\t" \
    "smlad  %[b0], %[t], %[xb], %[b0]            \n\t" \
    "sxtb16 %[t], %[w1]                          \n\t" \
    "smlad  %[a1], %[t], %[xa], %[a1]            \n\t" \
    "smlad  %[b1], %[t], %[xb], %[b1]            \n\t" \
    "ldrd   %[xa], %[xb], [%[x]], #8             \n\t" \
    "sxtb16 %[w0], %[w0], ror #8                 \n\t" \
    "smlad  %[a0], %[w0], %[xa], %[a0]           \n\t" \
    "smlad  %[b0], %[w0], %[xb], %[b0]           \n\t" \
    "sxtb16 %[w1], %[w1], ror #8                 \n\t" \
    "smlad  %[a1], %[w1], %[xa], %[a1]           \n\t" \
    "smlad  %[b1], %[w1], %[xb], %[b1]           \n\t"

static inline const int8_t *mn_tile_2x2(const int8_t *w, const uint32_t *x, int32_t groups, struct mn_acc_2x2 *acc)
{
    uint32_t w0, w1, xa, xb, t;
    int32_t n = groups >> 1;
    __asm__ volatile(
        "cbz    %[n], 2f                             \n\t" MN_ALIGN
        "1:                                          \n\t" MN_GROUP_2X2 MN_GROUP_2X2
        "subs   %[n], #1                             \n\t"
        "bne    1b                                   \n"
        "2:                                          \n"
        : [a0] "+r"(acc->a0), [b0] "+r"(acc->b0), [a1] "+r"(acc->a1), [b1] "+r"(acc->b1), [w] "+r"(w), [x] "+r"(x),
          [n] "+l"(n), [w0] "=&r"(w0), [w1] "=&r"(w1), [xa] "=&r"(xa), [xb] "=&r"(xb), [t] "=&r"(t)
        :
        : "cc", "memory");
    if (groups & 1) {
        __asm__ volatile(MN_ALIGN MN_GROUP_2X2
                         : [a0] "+r"(acc->a0), [b0] "+r"(acc->b0), [a1] "+r"(acc->a1), [b1] "+r"(acc->b1), [w] "+r"(w),
                           [x] "+r"(x), [w0] "=&r"(w0), [w1] "=&r"(w1), [xa] "=&r"(xa), [xb] "=&r"(xb), [t] "=&r"(t)
                         :
                         : "memory");
    }
    return w;
}

#else

static inline const int8_t *mn_tile_2x2(const int8_t *w, const uint32_t *x, int32_t groups, struct mn_acc_2x2 *acc)
{
    for (; groups > 0; groups--, w += 8, x += MN_COLUMN_WORDS) {
        const uint32_t w0 = mn_load32(w), w1 = mn_load32(w + 4);
        acc->a0 = mn_smlad(mn_sxtb16_ror8(w0), x[2], mn_smlad(mn_sxtb16(w0), x[0], acc->a0));
        acc->b0 = mn_smlad(mn_sxtb16_ror8(w0), x[3], mn_smlad(mn_sxtb16(w0), x[1], acc->b0));
        acc->a1 = mn_smlad(mn_sxtb16_ror8(w1), x[2], mn_smlad(mn_sxtb16(w1), x[0], acc->a1));
        acc->b1 = mn_smlad(mn_sxtb16_ror8(w1), x[3], mn_smlad(mn_sxtb16(w1), x[1], acc->b1));
    }
    return w;
}

#endif

#endif
