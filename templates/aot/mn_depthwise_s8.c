#include "mn_depthwise_s8.h"

#include "mn_tile.h"
#include "mn_window.h"

struct taps {
    int32_t rows, columns;
    int32_t in_step, in_row_step;     /* bytes from tap to tap, from row to row */
    int32_t weights_row_step;         /* bytes */
    uint32_t offset;                  /* minus the zero point, in both halves */
};

struct quad {
    int32_t c0, c1, c2, c3;
};

static inline void tap(struct quad *acc, uint32_t x, uint32_t w, uint32_t offset)
{
    const uint32_t x02 = mn_sxtab16(offset, x), w02 = mn_sxtb16(w);
    const uint32_t x13 = mn_sxtab16_ror8(offset, x), w13 = mn_sxtb16_ror8(w);
    acc->c0 = mn_smlabb(x02, w02, acc->c0);
    acc->c1 = mn_smlabb(x13, w13, acc->c1);
    acc->c2 = mn_smlatt(x02, w02, acc->c2);
    acc->c3 = mn_smlatt(x13, w13, acc->c3);
}

/* Four channels at one output position; `channels` of them exist. */
static inline struct quad accumulate(
    const struct taps *t, struct quad acc, const int8_t *in, const int8_t *weights, int32_t channels)
{
    for (int32_t rows = t->rows; rows > 0; rows--) {
        const int8_t *x = in;
        const int8_t *w = weights;
        int32_t n = t->columns;
        if (channels >= 4) {
            for (; n >= 3; n -= 3, w += 12) {
                tap(&acc, mn_load32(x), mn_load32(w), t->offset);
                x += t->in_step;
                tap(&acc, mn_load32(x), mn_load32(w + 4), t->offset);
                x += t->in_step;
                tap(&acc, mn_load32(x), mn_load32(w + 8), t->offset);
                x += t->in_step;
            }
            for (; n > 0; n--, x += t->in_step, w += 4) {
                tap(&acc, mn_load32(x), mn_load32(w), t->offset);
            }
        } else {
            for (; n > 0; n--, x += t->in_step, w += 4) {
                tap(&acc, mn_load_tail(x, channels), mn_load32(w), t->offset);
            }
        }
        in += t->in_row_step;
        weights += t->weights_row_step;
    }
    return acc;
}

static void store(const struct mn_output_s8 *output, struct quad acc, int32_t c, int32_t channels, int8_t *out)
{
    const int32_t values[4] = {acc.c0, acc.c1, acc.c2, acc.c3};
    for (int32_t i = 0; i < 4 && c + i < channels; i++) {
        out[i] = mn_output(output, values[i], c + i);
    }
}

void mn_depthwise_s8(const struct mn_depthwise_s8_params *p, const int8_t *in, int8_t *out)
{
    const struct mn_output_s8 *output = &p->output;
    const int32_t twice_zero_point_1 = 2 * output->zero_point + 1;
    const int32_t channels = p->channels;
    const int32_t quad_bytes = 4 * p->kernel_h * p->kernel_w;
    struct taps t;
    t.in_step = p->dilation_w * channels;
    t.in_row_step = p->dilation_h * p->in_w * channels;
    t.weights_row_step = 4 * p->kernel_w;
    t.offset = ((uint32_t)-p->in_zero_point & 0xFFFFu) * 0x10001u;

    for (int32_t oy = 0; oy < p->out_h; oy++) {
        const struct mn_window y = mn_clip(oy * p->stride_h - p->pad_h, p->kernel_h, p->dilation_h, p->in_h);
        t.rows = y.count;
        for (int32_t ox = 0; ox < p->out_w; ox++) {
            const struct mn_window x = mn_clip(ox * p->stride_w - p->pad_w, p->kernel_w, p->dilation_w, p->in_w);
            const int8_t *from = in + (y.at * p->in_w + x.at) * channels;
            const int8_t *weights = p->weights + 4 * (y.first * p->kernel_w + x.first);
            const int32_t *bias = p->bias;
            t.columns = x.count;

            for (int32_t c = 0; c < channels; c += 4, from += 4, out += 4, weights += quad_bytes, bias += 4) {
                const struct quad start = {bias[0], bias[1], bias[2], bias[3]};
                if (channels - c < 4) {
                    store(output, accumulate(&t, start, from, weights, channels - c), c, channels, out);
                    out -= 4 - (channels - c);
                    continue;
                }
                const struct quad acc = accumulate(&t, start, from, weights, 4);
                if (output->narrow) {
                    const int32_t *m = output->multiplier + c;
                    const int8_t *s = output->shift + c;
                    out[0] = mn_output_narrow(acc.c0, m[0], s[0], twice_zero_point_1);
                    out[1] = mn_output_narrow(acc.c1, m[1], s[1], twice_zero_point_1);
                    out[2] = mn_output_narrow(acc.c2, m[2], s[2], twice_zero_point_1);
                    out[3] = mn_output_narrow(acc.c3, m[3], s[3], twice_zero_point_1);
                } else {
                    store(output, acc, c, channels, out);
                }
            }
        }
    }
}
