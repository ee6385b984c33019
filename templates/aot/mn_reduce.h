/* SPDX-License-Identifier: Apache-2.0 */
/* Sums and means over some dimensions. */
#ifndef MN_REDUCE_H
#define MN_REDUCE_H

#include <stdint.h>

#define MN_KEPT_DIMS 3
#define MN_REDUCED_DIMS 2

/* Each output is the sum of rows * columns inputs. The elements of a row follow each other by column_step; rows
 * and outputs are found by their dimensions. */
struct mn_reduce {
    int32_t outputs;
    int32_t kept_size[MN_KEPT_DIMS], kept_step[MN_KEPT_DIMS];
    int32_t rows;
    int32_t row_size[MN_REDUCED_DIMS], row_step[MN_REDUCED_DIMS];
    int32_t columns, column_step;
    int32_t zero; /* the zero points in a sum */
    int32_t multiplier, shift, offset;
};

#define mn_reduce_s8_params mn_reduce
#define mn_reduce_s16_params mn_reduce

/* The same over all pixels of one image, four channels or more: the global average. */
struct mn_reduce_channels_s8_params {
    int32_t channels, pixels;
    int32_t zero;
    int32_t multiplier, shift, offset;
};

void mn_reduce_channels_s8(const struct mn_reduce_channels_s8_params *p, const int8_t *in, int8_t *out);

void mn_reduce_s8(const struct mn_reduce_s8_params *p, const int8_t *in, int8_t *out);
void mn_reduce_s16(const struct mn_reduce_s16_params *p, const int16_t *in, int16_t *out);

/* The same over all pixels of one image that comes row by row: `rows` rows are added to the sums, one a channel, which
 * the first row sets to zero, and behind the last one follows the output. */
struct mn_running_reduce {
    int32_t in_h, in_w, channels;
    int32_t zero;
    int32_t multiplier, shift, offset;
};

#define mn_running_reduce_s8_params mn_running_reduce
#define mn_running_reduce_few_s8_params mn_running_reduce
#define mn_running_reduce_s16_params mn_running_reduce

void mn_running_reduce_s8(const struct mn_running_reduce_s8_params *p, const int8_t *in, int8_t *out, int32_t *sums,
                          int32_t first_row, int32_t rows);
/* Of 255 pixels at most, whose sums fit 16 bits. */
void mn_running_reduce_few_s8(const struct mn_running_reduce_few_s8_params *p, const int8_t *in, int8_t *out,
                              int16_t *sums, int32_t first_row, int32_t rows);
void mn_running_reduce_s16(const struct mn_running_reduce_s16_params *p, const int16_t *in, int16_t *out, int32_t *sums,
                           int32_t first_row, int32_t rows);

#endif
