/* SPDX-License-Identifier: Apache-2.0 */
/* Average and maximum over windows of an image, NHWC. The kernels named "channels" need four channels at least. All
 * make `rows` output rows from first_row on, the first of them at `out`; of several images, all rows of each. */
#ifndef MN_POOLING_H
#define MN_POOLING_H

#include <stdint.h>

struct mn_pool {
    int32_t batches;
    int32_t in_h, in_w, channels;
    int32_t in_rows; /* how many of the in_h rows the input holds: see mn_window.h */
    int32_t out_w;
    int32_t filter_height, filter_width;
    int32_t stride_h, stride_w;
    int32_t pad_h, pad_w;
    int32_t low, high;
};

#define mn_average_pool_s8_params mn_pool
#define mn_average_pool_channels_s8_params mn_pool
#define mn_average_pool_s16_params mn_pool
#define mn_max_pool_s8_params mn_pool
#define mn_max_pool_channels_s8_params mn_pool
#define mn_max_pool_s16_params mn_pool

void mn_average_pool_s8(const struct mn_average_pool_s8_params *p, const int8_t *in, int8_t *out, int32_t first_row,
                        int32_t rows);
void mn_average_pool_channels_s8(const struct mn_average_pool_channels_s8_params *p, const int8_t *in, int8_t *out,
                                 int32_t first_row, int32_t rows);
void mn_average_pool_s16(const struct mn_average_pool_s16_params *p, const int16_t *in, int16_t *out, int32_t first_row,
                         int32_t rows);
void mn_max_pool_s8(const struct mn_max_pool_s8_params *p, const int8_t *in, int8_t *out, int32_t first_row,
                    int32_t rows);
void mn_max_pool_channels_s8(const struct mn_max_pool_channels_s8_params *p, const int8_t *in, int8_t *out,
                             int32_t first_row, int32_t rows);
void mn_max_pool_s16(const struct mn_max_pool_s16_params *p, const int16_t *in, int16_t *out, int32_t first_row,
                     int32_t rows);

/* The average over a whole image that comes row by row: `rows` rows are added to the sums, one a channel, which the
 * first row sets to zero, and behind the last one follows the output. */
struct mn_running_average {
    int32_t in_h, in_w, channels;
    int32_t low, high;
};

#define mn_running_average_s8_params mn_running_average
#define mn_running_average_few_s8_params mn_running_average
#define mn_running_average_s16_params mn_running_average

void mn_running_average_s8(const struct mn_running_average_s8_params *p, const int8_t *in, int8_t *out, int32_t *sums,
                           int32_t first_row, int32_t rows);
/* Of 255 pixels at most, whose sums fit 16 bits. */
void mn_running_average_few_s8(const struct mn_running_average_few_s8_params *p, const int8_t *in, int8_t *out,
                               int16_t *sums, int32_t first_row, int32_t rows);
void mn_running_average_s16(const struct mn_running_average_s16_params *p, const int16_t *in, int16_t *out,
                            int32_t *sums, int32_t first_row, int32_t rows);

#endif
