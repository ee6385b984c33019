/* SPDX-License-Identifier: Apache-2.0 */
/* Each output gathers the inputs that reach it, so no accumulators are kept between them. */
#include "mn_transpose_conv.h"

#include "mn_requant.h"
#include "mn_simd.h"

/* The taps of the kernel that reach one output position along one dimension: kernel index `tap` meets input index
 * `in`, the next one `tap + stride` meets `in - 1`. */
struct taps {
    int32_t tap, in, count;
};

static struct taps taps_at(int32_t out, int32_t pad, int32_t stride, int32_t kernel, int32_t in_size)
{
    struct taps t = {.tap = (out + pad) % stride, .in = (out + pad) / stride};

    if (t.in >= in_size) {
        t.tap += (t.in - in_size + 1) * stride;
        t.in = in_size - 1;
    }
    if (t.tap < kernel) {
        t.count = (kernel - 1 - t.tap) / stride + 1;
        if (t.count > t.in + 1) {
            t.count = t.in + 1;
        }
    } else {
        t.tap = 0;
    }
    return t;
}

static int32_t dot_s8(const int8_t *x, const int8_t *w, int32_t offset, int32_t count, int32_t sum)
{
    const uint32_t offsets = ((uint32_t)offset & 0xFFFFu) | (uint32_t)offset << 16;

    for (; count >= 4; count -= 4, x += 4, w += 4) {
        const uint32_t x4 = mn_load32(x);
        const uint32_t w4 = mn_load32(w);
        sum = mn_smlad(mn_sxtab16(offsets, x4), mn_sxtb16(w4), sum);
        sum = mn_smlad(mn_sxtab16_ror8(offsets, x4), mn_sxtb16_ror8(w4), sum);
    }
    for (; count > 0; count--) {
        sum += (*x++ + offset) * *w++;
    }
    return sum;
}

static int64_t dot_s16(const int16_t *x, const int8_t *w, int32_t count, int64_t sum)
{
    for (; count > 0; count--) {
        sum += *x++ * *w++;
    }
    return sum;
}

void mn_transpose_conv_s8(const struct mn_transpose_conv_s8_params *p, const int8_t *in, int8_t *out)
{
    const int32_t x_step = p->stride_w * p->in_c;
    const int32_t y_step = p->stride_h * p->filter_width * p->in_c;
    const int32_t in_row = p->in_w * p->in_c;

    for (int32_t batch = 0; batch < p->batches; batch++, in += p->in_h * in_row) {
        for (int32_t y = 0; y < p->out_h; y++) {
            const struct taps ty = taps_at(y, p->pad_h, p->stride_h, p->filter_height, p->in_h);
            for (int32_t x = 0; x < p->out_w; x++) {
                const struct taps tx = taps_at(x, p->pad_w, p->stride_w, p->filter_width, p->in_w);
                const int8_t *const first = in + ty.in * in_row + tx.in * p->in_c;
                const int8_t *w = p->weights + (ty.tap * p->filter_width + tx.tap) * p->in_c;
                for (int32_t c = 0; c < p->out_c; c++, w += p->filter_height * p->filter_width * p->in_c) {
                    int32_t sum = p->bias ? p->bias[c] : 0;
                    for (int32_t i = 0; i < ty.count; i++) {
                        for (int32_t j = 0; j < tx.count; j++) {
                            sum = dot_s8(first - i * in_row - j * p->in_c, w + i * y_step + j * x_step, p->in_offset,
                                         p->in_c, sum);
                        }
                    }
                    sum = mn_requant(sum, p->multiplier[c], p->shift[c]) + p->out_offset;
                    *out++ = (int8_t)mn_clamp(sum, p->act_min, p->act_max);
                }
            }
        }
    }
}

void mn_transpose_conv_s16(const struct mn_transpose_conv_s16_params *p, const int16_t *in, int16_t *out)
{
    const int32_t x_step = p->stride_w * p->in_c;
    const int32_t y_step = p->stride_h * p->filter_width * p->in_c;
    const int32_t in_row = p->in_w * p->in_c;

    for (int32_t batch = 0; batch < p->batches; batch++, in += p->in_h * in_row) {
        for (int32_t y = 0; y < p->out_h; y++) {
            const struct taps ty = taps_at(y, p->pad_h, p->stride_h, p->filter_height, p->in_h);
            for (int32_t x = 0; x < p->out_w; x++) {
                const struct taps tx = taps_at(x, p->pad_w, p->stride_w, p->filter_width, p->in_w);
                const int16_t *const first = in + ty.in * in_row + tx.in * p->in_c;
                const int8_t *w = p->weights + (ty.tap * p->filter_width + tx.tap) * p->in_c;
                for (int32_t c = 0; c < p->out_c; c++, w += p->filter_height * p->filter_width * p->in_c) {
                    int64_t sum = p->bias ? p->bias[c] : 0;
                    for (int32_t i = 0; i < ty.count; i++) {
                        for (int32_t j = 0; j < tx.count; j++) {
                            sum = dot_s16(first - i * in_row - j * p->in_c, w + i * y_step + j * x_step, p->in_c, sum);
                        }
                    }
                    const int32_t scaled = mn_requant_s64(sum, p->multiplier[c], p->shift[c]);
                    *out++ = (int16_t)mn_clamp(scaled, p->act_min, p->act_max);
                }
            }
        }
    }
}
