/* SPDX-License-Identifier: Apache-2.0 */
/* Sums over pixels, four neighbouring channels at a time. */
#ifndef MN_CHANNELS_H
#define MN_CHANNELS_H

#include <stdint.h>

#include "mn_simd.h"

/* Two int16 halves are added to two sums, and become 0. */
static inline void mn_flush(uint32_t *halves, int32_t *low, int32_t *high)
{
    *low += (int16_t)(*halves & 0xFFFFu);
    *high += (int16_t)(*halves >> 16);
    *halves = 0;
}

/* Adds to sum[0..3] those of in[0..3] over rows x columns pixels; steps in bytes. 256 values of int8 fit a half of a
 * word. */
static inline void mn_sum_4_channels(const int8_t *in, int32_t rows, int32_t row_step, int32_t columns,
                                     int32_t column_step, int32_t sum[4])
{
    uint32_t even = 0;
    uint32_t odd = 0;
    int32_t room = 256;
    if (row_step == columns * column_step) { /* whole rows: one long one */
        columns *= rows;
        rows = 1;
    }
    for (int32_t row = 0; row < rows; ++row) {
        const int8_t *from = in + row * row_step;
        for (int32_t left = columns; left > 0;) {
            const int32_t count = left < room ? left : room;
            for (int32_t i = count; i > 0; --i) {
                const uint32_t pixel = mn_load32(from);
                even = mn_sxtab16(even, pixel);
                odd = mn_sxtab16_ror8(odd, pixel);
                from += column_step;
            }
            left -= count;
            room -= count;
            if (room == 0) {
                mn_flush(&even, &sum[0], &sum[2]);
                mn_flush(&odd, &sum[1], &sum[3]);
                room = 256;
            }
        }
    }
    mn_flush(&even, &sum[0], &sum[2]);
    mn_flush(&odd, &sum[1], &sum[3]);
}

/* Adds `pixels` pixels that follow each other to one sum a channel. */
static inline void mn_add_pixels_s8(const int8_t *in, int32_t pixels, int32_t channels, int32_t *sums)
{
    int32_t c = 0;
    for (; c + 4 <= channels; c += 4) {
        mn_sum_4_channels(in + c, 1, 0, pixels, channels, sums + c);
    }
    for (; c < channels; c++) {
        for (int32_t i = 0; i < pixels; i++) {
            sums[c] += in[i * channels + c];
        }
    }
}

/* The same where no sum exceeds 16 bits. */
static inline void mn_add_pixels_few_s8(const int8_t *in, int32_t pixels, int32_t channels, int16_t *sums)
{
    int32_t c = 0;
    for (; c + 4 <= channels; c += 4) {
        int32_t sum[4] = {sums[c], sums[c + 1], sums[c + 2], sums[c + 3]};
        mn_sum_4_channels(in + c, 1, 0, pixels, channels, sum);
        for (int32_t i = 0; i < 4; i++) {
            sums[c + i] = (int16_t)sum[i];
        }
    }
    for (; c < channels; c++) {
        for (int32_t i = 0; i < pixels; i++) {
            sums[c] = (int16_t)(sums[c] + in[i * channels + c]);
        }
    }
}

static inline void mn_add_pixels_s16(const int16_t *in, int32_t pixels, int32_t channels, int32_t *sums)
{
    for (int32_t i = 0; i < pixels; i++) {
        for (int32_t c = 0; c < channels; c++) {
            sums[c] += *in++;
        }
    }
}

/* Where a group of four channels begins: the last one reaches back, so that there must be four at least. */
static inline int32_t mn_group(int32_t channel, int32_t channels)
{
    return channel + 4 <= channels ? channel : channels - 4;
}

#endif
