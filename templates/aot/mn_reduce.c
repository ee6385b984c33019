/* SPDX-License-Identifier: Apache-2.0 */
#include "mn_reduce.h"

#include <string.h>

#include "mn_channels.h"
#include "mn_requant.h"
#include "mn_strides.h"

void mn_reduce_channels_s8(const struct mn_reduce_channels_s8_params *p, const int8_t *in, int8_t *out)
{
    for (int32_t c = 0; c < p->channels; c += 4) {
        const int32_t group = mn_group(c, p->channels);
        int32_t sum[4] = {0};
        mn_sum_4_channels(in + group, 1, 0, p->pixels, p->channels, sum);
        for (int32_t i = 0; i < 4; ++i) {
            const int32_t result = mn_requant_add(sum[i] - p->zero, p->multiplier, p->shift, p->offset);
            out[group + i] = (int8_t)mn_clamp(result, INT8_MIN, INT8_MAX);
        }
    }
}

#define REDUCE(name, type, lowest, highest)                                                                        \
    void name(const struct name##_params *p, const type *in, type *out)                                            \
    {                                                                                                              \
        for (int32_t i = 0; i < p->outputs; ++i) {                                                                 \
            const type *const first = in + mn_offset(p->kept_size, p->kept_step, MN_KEPT_DIMS, i);                 \
            uint32_t sum = 0;                                                                                      \
            for (int32_t row = 0; row < p->rows; ++row) {                                                          \
                const type *x = first + mn_offset(p->row_size, p->row_step, MN_REDUCED_DIMS, row);                 \
                const int32_t step = p->column_step;                                                               \
                for (int32_t left = p->columns; left > 0; --left) {                                                \
                    const int32_t value = *x;                                                                      \
                    sum += (uint32_t)value;                                                                        \
                    x += step;                                                                                     \
                }                                                                                                  \
            }                                                                                                      \
            const int32_t centred = (int32_t)(sum - (uint32_t)p->zero);                                            \
            out[i] = (type)mn_clamp(mn_requant_add(centred, p->multiplier, p->shift, p->offset), lowest, highest); \
        }                                                                                                          \
    }

REDUCE(mn_reduce_s8, int8_t, INT8_MIN, INT8_MAX)
REDUCE(mn_reduce_s16, int16_t, INT16_MIN, INT16_MAX)

#define RUNNING_REDUCE(name, type, sum, add, lowest, highest)                                                       \
    void name(const struct name##_params *p, const type *in, type *out, sum *sums, int32_t first_row, int32_t rows) \
    {                                                                                                               \
        if (first_row == 0) {                                                                                       \
            memset(sums, 0, (size_t)p->channels * sizeof *sums);                                                    \
        }                                                                                                           \
        add(in, rows * p->in_w, p->channels, sums);                                                                 \
        for (int32_t c = 0; first_row + rows == p->in_h && c < p->channels; c++) {                                  \
            const int32_t result = mn_requant_add(sums[c] - p->zero, p->multiplier, p->shift, p->offset);           \
            out[c] = (type)mn_clamp(result, lowest, highest);                                                       \
        }                                                                                                           \
    }

RUNNING_REDUCE(mn_running_reduce_s8, int8_t, int32_t, mn_add_pixels_s8, INT8_MIN, INT8_MAX)
RUNNING_REDUCE(mn_running_reduce_few_s8, int8_t, int16_t, mn_add_pixels_few_s8, INT8_MIN, INT8_MAX)
RUNNING_REDUCE(mn_running_reduce_s16, int16_t, int32_t, mn_add_pixels_s16, INT16_MIN, INT16_MAX)
