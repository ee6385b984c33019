/* SPDX-License-Identifier: Apache-2.0 */
#include "mn_copy.h"

#include <string.h>

/* The innermost loop. Runs of one element are most of what a transpose does: fixed lengths become plain moves. */
static void copy_runs(const struct mn_copy_params *p, const uint8_t *in, uint8_t *out)
{
    const int32_t count = p->size[MN_COPY_DIMS - 1];
    const int32_t in_stride = p->in_stride[MN_COPY_DIMS - 1];
    const int32_t out_stride = p->out_stride[MN_COPY_DIMS - 1];
    const int32_t run = p->run;

    switch (run) {
    case 1:
        for (int32_t i = 0; i < count; i++, in += in_stride, out += out_stride) {
            *out = *in;
        }
        break;
    case 2:
        for (int32_t i = 0; i < count; i++, in += in_stride, out += out_stride) {
            memcpy(out, in, 2);
        }
        break;
    case 4:
        for (int32_t i = 0; i < count; i++, in += in_stride, out += out_stride) {
            memcpy(out, in, 4);
        }
        break;
    default:
        for (int32_t i = 0; i < count; i++, in += in_stride, out += out_stride) {
            memcpy(out, in, (size_t)run);
        }
        break;
    }
}

void mn_copy(const struct mn_copy_params *p, const void *in, void *out)
{
    const uint8_t *from = (const uint8_t *)in + p->in_offset;
    uint8_t *to = (uint8_t *)out + p->out_offset;
    int32_t index[MN_COPY_DIMS - 1] = {0};
    int32_t dim;

    do {
        copy_runs(p, from, to);
        for (dim = MN_COPY_DIMS - 2; dim >= 0; dim--) {
            from += p->in_stride[dim];
            to += p->out_stride[dim];
            if (++index[dim] < p->size[dim]) {
                break;
            }
            from -= p->size[dim] * p->in_stride[dim];
            to -= p->size[dim] * p->out_stride[dim];
            index[dim] = 0;
        }
    } while (dim >= 0);
}
