/* SPDX-License-Identifier: Apache-2.0 */
#include "mn_pooling.h"

#include <string.h>

#include "mn_channels.h"
#include "mn_requant.h"
#include "mn_simd.h"
#include "mn_window.h"

/* The part of a window that lies inside the image. */
struct window {
    int32_t slot; /* of the first row, see mn_window.h */
    int32_t left; /* the first column */
    int32_t rows, columns;
};

static struct window window_at(const struct mn_pool *p, int32_t y, int32_t x)
{
    const int32_t top = y * p->stride_h - p->pad_h;
    const int32_t left = x * p->stride_w - p->pad_w;
    const int32_t top_inside = top < 0 ? 0 : top;
    const int32_t left_inside = left < 0 ? 0 : left;
    const int32_t bottom = top + p->filter_height < p->in_h ? top + p->filter_height : p->in_h;
    const int32_t right = left + p->filter_width < p->in_w ? left + p->filter_width : p->in_w;
    return (struct window){mn_slot(top_inside, p->in_rows), left_inside, bottom - top_inside, right - left_inside};
}

/* Where a row of a window begins, in elements. */
static inline int32_t row_at(const struct mn_pool *p, const struct window *w, int32_t row)
{
    return (mn_slot_below(w->slot, row, p->in_rows) * p->in_w + w->left) * p->channels;
}

/* void name(p, in, out): one call of pixel() for the channels of each output pixel. */
#define POOL(name, type, pixel)                                                                          \
    void name(const struct name##_params *p, const type *in, type *out, int32_t first_row, int32_t rows) \
    {                                                                                                    \
        for (int32_t batch = 0; batch < p->batches; ++batch) {                                           \
            for (int32_t y = first_row; y < first_row + rows; ++y) {                                     \
                for (int32_t x = 0; x < p->out_w; ++x) {                                                 \
                    const struct window w = window_at(p, y, x);                                          \
                    pixel(p, &w, in, out);                                                               \
                    out += p->channels;                                                                  \
                }                                                                                        \
            }                                                                                            \
            in += p->in_h * p->in_w * p->channels;                                                       \
        }                                                                                                \
    }

/* Ties away from zero. */
static inline int32_t divided(int32_t sum, int32_t count)
{
    const int32_t half = sum > 0 ? count / 2 : -(count / 2);
    return (sum + half) / count;
}

static inline int32_t average(const struct mn_pool *p, const struct window *w, int32_t sum)
{
    return mn_clamp(divided(sum, w->rows * w->columns), p->low, p->high);
}

#define AVERAGE_PIXEL(name, type)                                                                       \
    static inline void name(const struct mn_pool *p, const struct window *w, const type *in, type *out) \
    {                                                                                                   \
        const int32_t channels = p->channels;                                                           \
        for (int32_t c = 0; c < channels; ++c) {                                                        \
            int32_t sum = 0;                                                                            \
            for (int32_t row = 0; row < w->rows; ++row) {                                               \
                const type *from = in + row_at(p, w, row) + c;                                          \
                for (int32_t left = w->columns; left > 0; --left) {                                     \
                    sum += *from;                                                                       \
                    from += channels;                                                                   \
                }                                                                                       \
            }                                                                                           \
            out[c] = (type)average(p, w, sum);                                                          \
        }                                                                                               \
    }

static inline void average_channels(const struct mn_pool *p, const struct window *w, const int8_t *in, int8_t *out)
{
    const int32_t channels = p->channels;
    const int32_t together = w->slot + w->rows <= p->in_rows ? w->rows : p->in_rows - w->slot;
    for (int32_t c = 0; c < channels; c += 4) {
        const int32_t group = mn_group(c, channels);
        int32_t sum[4] = {0};
        mn_sum_4_channels(in + row_at(p, w, 0) + group, together, p->in_w * channels, w->columns, channels, sum);
        if (together < w->rows) {
            mn_sum_4_channels(in + row_at(p, w, together) + group, w->rows - together, p->in_w * channels, w->columns,
                              channels, sum);
        }
        for (int32_t i = 0; i < 4; ++i) {
            out[group + i] = (int8_t)average(p, w, sum[i]);
        }
    }
}

AVERAGE_PIXEL(average_pixel_s8, int8_t)
AVERAGE_PIXEL(average_pixel_s16, int16_t)
POOL(mn_average_pool_s8, int8_t, average_pixel_s8)
POOL(mn_average_pool_channels_s8, int8_t, average_channels)
POOL(mn_average_pool_s16, int16_t, average_pixel_s16)

#define MAX_PIXEL(name, type, lowest)                                                                   \
    static inline void name(const struct mn_pool *p, const struct window *w, const type *in, type *out) \
    {                                                                                                   \
        const int32_t channels = p->channels;                                                           \
        for (int32_t c = 0; c < channels; ++c) {                                                        \
            int32_t maximum = lowest;                                                                   \
            for (int32_t row = 0; row < w->rows; ++row) {                                               \
                const type *from = in + row_at(p, w, row) + c;                                          \
                for (int32_t left = w->columns; left > 0; --left) {                                     \
                    maximum = *from > maximum ? *from : maximum;                                        \
                    from += channels;                                                                   \
                }                                                                                       \
            }                                                                                           \
            out[c] = (type)mn_clamp(maximum, p->low, p->high);                                          \
        }                                                                                               \
    }

static inline uint32_t in_each_byte(int32_t value)
{
    return (uint8_t)value * 0x01010101u;
}

static inline void max_channels(const struct mn_pool *p, const struct window *w, const int8_t *in, int8_t *out)
{
    const int32_t channels = p->channels;
    for (int32_t c = 0; c < channels; c += 4) {
        const int32_t group = mn_group(c, channels);
        uint32_t maximum = in_each_byte(p->low);
        for (int32_t row = 0; row < w->rows; ++row) {
            const int8_t *from = in + row_at(p, w, row) + group;
            for (int32_t left = w->columns; left > 0; --left) {
                maximum = mn_max_4x8(maximum, mn_load32(from));
                from += channels;
            }
        }
        mn_store32(out + group, mn_min_4x8(maximum, in_each_byte(p->high)));
    }
}

MAX_PIXEL(max_pixel_s8, int8_t, INT8_MIN)
MAX_PIXEL(max_pixel_s16, int16_t, INT16_MIN)
POOL(mn_max_pool_s8, int8_t, max_pixel_s8)
POOL(mn_max_pool_channels_s8, int8_t, max_channels)
POOL(mn_max_pool_s16, int16_t, max_pixel_s16)

#define RUNNING_AVERAGE(name, type, sum, add)                                                                       \
    void name(const struct name##_params *p, const type *in, type *out, sum *sums, int32_t first_row, int32_t rows) \
    {                                                                                                               \
        if (first_row == 0) {                                                                                       \
            memset(sums, 0, (size_t)p->channels * sizeof *sums);                                                    \
        }                                                                                                           \
        add(in, rows * p->in_w, p->channels, sums);                                                                 \
        for (int32_t c = 0; first_row + rows == p->in_h && c < p->channels; c++) {                                  \
            out[c] = (type)mn_clamp(divided(sums[c], p->in_h * p->in_w), p->low, p->high);                          \
        }                                                                                                           \
    }

RUNNING_AVERAGE(mn_running_average_s8, int8_t, int32_t, mn_add_pixels_s8)
RUNNING_AVERAGE(mn_running_average_few_s8, int8_t, int16_t, mn_add_pixels_few_s8)
RUNNING_AVERAGE(mn_running_average_s16, int16_t, int32_t, mn_add_pixels_s16)
