/* SPDX-License-Identifier: Apache-2.0 */
#include "mn_pad.h"

#include <string.h>

static void fill(const struct mn_pad_params *p, uint8_t *from, const uint8_t *to)
{
    if (p->element == 1) {
        memset(from, (int)p->value, (size_t)(to - from));
        return;
    }
    for (; from < to; from += p->element) {
        memcpy(from, &p->value, (size_t)p->element);
    }
}

/* Writes the output once, in order: the gap before each run, the run, and what is left after the last. */
void mn_pad(const struct mn_pad_params *p, const void *in, void *out)
{
    const uint8_t *from = in;
    uint8_t *written = out;
    uint8_t *to = (uint8_t *)out + p->out_offset;
    int32_t index[MN_PAD_DIMS] = {0};
    int32_t dim;

    do {
        fill(p, written, to);
        memcpy(to, from, (size_t)p->run);
        written = to + p->run;
        from += p->run;
        for (dim = MN_PAD_DIMS - 1; dim >= 0; dim--) {
            to += p->out_stride[dim];
            if (++index[dim] < p->size[dim]) {
                break;
            }
            to -= p->size[dim] * p->out_stride[dim];
            index[dim] = 0;
        }
    } while (dim >= 0);
    fill(p, written, (const uint8_t *)out + p->out_bytes);
}
