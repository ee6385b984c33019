/* SPDX-License-Identifier: Apache-2.0 */
/* Nearest-neighbour resizing of images. */
#ifndef MN_RESIZE_H
#define MN_RESIZE_H

#include <stdint.h>

struct mn_resize_nearest_params {
    int32_t batches;
    int32_t in_h;
    int32_t in_w;
    int32_t out_h;
    int32_t out_w;
    int32_t pixel;           /* bytes */
    const uint16_t *rows;    /* the input's row for each row of the output */
    const uint16_t *columns; /* and its column for each column */
};

void mn_resize_nearest(const struct mn_resize_nearest_params *p, const void *in, void *out);

#endif
