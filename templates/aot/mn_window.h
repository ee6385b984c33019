/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a kernel that lies on the input, along one dimension, and where its rows are. */
#ifndef MN_WINDOW_H
#define MN_WINDOW_H

#include <stdint.h>

struct mn_window {
    int32_t first; /* first tap */
    int32_t count; /* taps; none where it is below 1 */
    int32_t at;    /* input position of the first tap */
};

/* start: input position of the kernel's first tap, negative in the padding. */
static inline struct mn_window mn_clip(int32_t start, int32_t taps, int32_t dilation, int32_t size)
{
    struct mn_window w = {0, taps, start};
    while (w.at < 0) {
        w.at += dilation;
        w.first++;
        w.count--;
    }
    while (start + (w.first + w.count - 1) * dilation >= size) {
        w.count--;
    }
    return w;
}

static inline int mn_same_taps(struct mn_window a, struct mn_window b)
{
    return a.first == b.first && a.count == b.count;
}

/* Where row y of an input is that lies in `in_rows` rows: all there are, or a ring in which a row takes the place of
 * the one made in_rows before it. Rows in the padding above stay negative. */
static inline int32_t mn_slot(int32_t y, int32_t in_rows)
{
    return y < in_rows ? y : y % in_rows;
}

/* The same of a row `step` below the one at `slot`, which the ring still holds, too. */
static inline int32_t mn_slot_below(int32_t slot, int32_t step, int32_t in_rows)
{
    slot += step;
    return slot >= in_rows ? slot - in_rows : slot;
}

#endif
