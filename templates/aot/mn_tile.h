/* SPDX-License-Identifier: Apache-2.0 */
/* The inner loops of convolution and fully connected layers: two output channels at a time.
 *
 * Weights come in pairs of channels, four of one and four of the other in turn, each channel padded with zeros to a
 * multiple of four, so that one double load brings what eight products need. Activations come either as int8 or
 * widened to int16 in a column buffer. Whichever: the bytes 0 and 2 of a word meet those of the other side, then
 * the bytes 1 and 3, which spares all reordering. */
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

struct mn_acc_2x1 {
    int32_t c0, c1;
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

#define MN_GROUP_2X1                                   \
    "ldr    %[x], [%[p]], #4                     \n\t" \
    "ldrd   %[w0], %[w1], [%[w]], #8             \n\t" \
    "sxtb16 %[t], %[x]                           \n\t" \
    "sxtb16 %[x], %[x], ror #8                   \n\t" \
    "sxtb16 %[u], %[w0]                          \n\t" \
    "smlad  %[c0], %[u], %[t], %[c0]             \n\t" \
    "sxtb16 %[u], %[w1]                          \n\t" \
    "smlad  %[c1], %[u], %[t], %[c1]             \n\t" \
    "sxtb16 %[w0], %[w0], ror #8                 \n\t" \
    "smlad  %[c0], %[w0], %[x], %[c0]            \n\t" \
    "sxtb16 %[w1], %[w1], ror #8                 \n\t" \
    "smlad  %[c1], %[w1], %[x], %[c1]            \n\t"

static inline const int8_t *mn_tile_2x1(const int8_t *w, const int8_t *p, int32_t groups, struct mn_acc_2x1 *acc)
{
    uint32_t w0, w1, x, t, u;
    int32_t n = groups >> 1;
    __asm__ volatile("cbz    %[n], 2f                             \n\t" MN_ALIGN
                     "1:                                          \n\t" MN_GROUP_2X1 MN_GROUP_2X1
                     "subs   %[n], #1                             \n\t"
                     "bne    1b                                   \n"
                     "2:                                          \n"
                     : [c0] "+r"(acc->c0), [c1] "+r"(acc->c1), [w] "+r"(w), [p] "+r"(p), [n] "+l"(n), [w0] "=&r"(w0),
                       [w1] "=&r"(w1), [x] "=&r"(x), [t] "=&r"(t), [u] "=&r"(u)
                     :
                     : "cc", "memory");
    if (groups & 1) {
        __asm__ volatile(MN_ALIGN MN_GROUP_2X1
                         : [c0] "+r"(acc->c0), [c1] "+r"(acc->c1), [w] "+r"(w), [p] "+r"(p), [w0] "=&r"(w0),
                           [w1] "=&r"(w1), [x] "=&r"(x), [t] "=&r"(t), [u] "=&r"(u)
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

static inline const int8_t *mn_tile_2x1(const int8_t *w, const int8_t *p, int32_t groups, struct mn_acc_2x1 *acc)
{
    for (; groups > 0; groups--, w += 8, p += 4) {
        const uint32_t w0 = mn_load32(w), w1 = mn_load32(w + 4), x = mn_load32(p);
        const uint32_t even = mn_sxtb16(x), odd = mn_sxtb16_ror8(x);
        acc->c0 = mn_smlad(mn_sxtb16_ror8(w0), odd, mn_smlad(mn_sxtb16(w0), even, acc->c0));
        acc->c1 = mn_smlad(mn_sxtb16_ror8(w1), odd, mn_smlad(mn_sxtb16(w1), even, acc->c1));
    }
    return w;
}

#endif

/* One to four bytes as a word, the rest zero: the last group of an activation vector. */
static inline uint32_t mn_load_tail(const int8_t *p, int32_t count)
{
    uint32_t value = 0;
    for (int32_t i = 0; i < count; i++) {
        value |= (uint32_t)(uint8_t)p[i] << (8 * i);
    }
    return value;
}

/* Widens n bytes (n > 0) into the column `which` (0 or 1) of the buffer that starts at `group`. */
static inline void mn_widen(const int8_t *p, int32_t n, uint32_t *group, int32_t which)
{
    uint32_t *to = group + which;
    for (; n >= 4; n -= 4, p += 4, to += MN_COLUMN_WORDS) {
        const uint32_t x = mn_load32(p);
        to[0] = mn_sxtb16(x);
        to[2] = mn_sxtb16_ror8(x);
    }
    if (n > 0) {
        const uint32_t x = mn_load_tail(p, n);
        to[0] = mn_sxtb16(x);
        to[2] = mn_sxtb16_ror8(x);
    }
}

#endif
