/* SPDX-License-Identifier: Apache-2.0 */
#include "mn_depthwise_s8.h"

#include "mn_tile.h"
#include "mn_window.h"

/* A tap of the kernel that lies on the input: bytes from the window's first tap, bytes from the quad's weights. */
struct tap {
    int32_t in, weights;
};

struct quad {
    int32_t c0, c1, c2, c3;
};

#if defined(__ARM_FEATURE_DSP)

/* In assembler, since the compiler spills what this keeps in registers. */
#define TAP                                             \
    "ldrd    %[x], %[w], [%[t]], #8               \n\t" \
    "ldr     %[x], [%[in], %[x]]                  \n\t" \
    "ldr     %[w], [%[weights], %[w]]             \n\t" \
    "sxtab16 %[u], %[offset], %[x]                \n\t" \
    "sxtb16  %[v], %[w]                           \n\t" \
    "smlabb  %[c0], %[u], %[v], %[c0]             \n\t" \
    "smlatt  %[c2], %[u], %[v], %[c2]             \n\t" \
    "sxtab16 %[x], %[offset], %[x], ror #8        \n\t" \
    "sxtb16  %[w], %[w], ror #8                   \n\t" \
    "smlabb  %[c1], %[x], %[w], %[c1]             \n\t" \
    "smlatt  %[c3], %[x], %[w], %[c3]             \n\t"

#define TAPS(loop)                                                                                              \
    __asm__ volatile(MN_ALIGN "1:                                          \n\t" loop                           \
                              "cmp    %[t], %[end]                         \n\t"                                \
                              "bne    1b                                   \n"                                  \
                     : [c0] "+r"(acc.c0), [c1] "+r"(acc.c1), [c2] "+r"(acc.c2), [c3] "+r"(acc.c3), [t] "+r"(t), \
                       [x] "=&r"(x), [w] "=&r"(w), [u] "=&r"(u), [v] "=&r"(v)                                   \
                     : [end] "r"(end), [in] "r"(in), [weights] "r"(weights), [offset] "r"(offset)               \
                     : "cc", "memory")

static inline struct quad accumulate(const struct tap *t, int32_t taps, const int8_t *in, const int8_t *weights,
                                     uint32_t offset, struct quad acc)
{
    uint32_t x, w, u, v;
    const struct tap *end = t + taps / 3 * 3;
    if (t != end) {
        TAPS(TAP TAP TAP);
    }
    end += taps % 3;
    if (t != end) {
        TAPS(TAP);
    }
    return acc;
}

#else

static inline struct quad accumulate(const struct tap *t, int32_t taps, const int8_t *in, const int8_t *weights,
                                     uint32_t offset, struct quad acc)
{
    for (; taps > 0; taps--, t++) {
        const uint32_t x = mn_load32(in + t->in), w = mn_load32(weights + t->weights);
        const uint32_t x02 = mn_sxtab16(offset, x), w02 = mn_sxtb16(w);
        const uint32_t x13 = mn_sxtab16_ror8(offset, x), w13 = mn_sxtb16_ror8(w);
        acc.c0 = mn_smlabb(x02, w02, acc.c0);
        acc.c1 = mn_smlabb(x13, w13, acc.c1);
        acc.c2 = mn_smlatt(x02, w02, acc.c2);
        acc.c3 = mn_smlatt(x13, w13, acc.c3);
    }
    return acc;
}

#endif

/* The channels at one output position; in: the window's first tap. The loop in assembler needs nearly all registers:
 * neither inlined nor reordered, GCC leaves it as many on every core. */
#if defined(__GNUC__) && !defined(__clang__)
__attribute__((noinline, optimize("no-schedule-insns")))
#endif
static void position(const struct mn_depthwise_s8_params *p, const struct tap *taps, int32_t count, const int8_t *in,
                     int8_t *out)
{
    const struct mn_output_s8 *output = &p->output;
    const int32_t rounding_offset = mn_rounding_offset(output);
    const uint32_t offset = ((uint32_t)-p->in_zero_point & 0xFFFFu) * 0x10001u;
    const int32_t quad_bytes = 4 * p->filter_height * p->filter_width;
    const int8_t *weights = p->weights;
    const int32_t *bias = p->bias;
    int32_t c = 0;

    for (; c + 4 <= p->channels; c += 4, in += 4, out += 4, weights += quad_bytes, bias += 4) {
        const struct quad start = {bias[0], bias[1], bias[2], bias[3]};
        const struct quad acc = accumulate(taps, count, in, weights, offset, start);
        if (output->bounded) {
            const int32_t *m = output->multiplier + c;
            const int8_t *s = output->shift + c;
            out[0] = mn_output_bounded(acc.c0, m[0], s[0], rounding_offset);
            out[1] = mn_output_bounded(acc.c1, m[1], s[1], rounding_offset);
            out[2] = mn_output_bounded(acc.c2, m[2], s[2], rounding_offset);
            out[3] = mn_output_bounded(acc.c3, m[3], s[3], rounding_offset);
        } else {
            out[0] = mn_output_any(output, acc.c0, c);
            out[1] = mn_output_any(output, acc.c1, c + 1);
            out[2] = mn_output_any(output, acc.c2, c + 2);
            out[3] = mn_output_any(output, acc.c3, c + 3);
        }
    }
    for (; c < p->channels; c++, in++, weights++, bias++) {
        int32_t acc = *bias;
        for (int32_t i = 0; i < count; i++) {
            acc += (in[taps[i].in] - p->in_zero_point) * weights[taps[i].weights];
        }
        *out++ = mn_output(output, acc, c);
    }
}

/* Writes the taps of a window; returns how many. */
static int32_t list_taps(const struct mn_depthwise_s8_params *p, struct mn_window y, struct mn_window x,
                         struct tap *taps)
{
    const int32_t first = mn_slot(y.at, p->in_rows);
    int32_t slot = first;
    int32_t count = 0;
    for (int32_t ky = 0; ky < y.count; ky++) {
        for (int32_t kx = 0; kx < x.count; kx++) {
            const int32_t in = (slot - first) * p->in_w + kx * p->dilation_w;
            const int32_t weights = (y.first + ky) * p->filter_width + x.first + kx;
            taps[count++] = (struct tap){in * p->channels, 4 * weights};
        }
        slot = mn_slot_below(slot, p->dilation_h, p->in_rows);
    }
    return count;
}

void mn_depthwise_s8(const struct mn_depthwise_s8_params *p, const int8_t *in, int8_t *out, void *scratch,
                     int32_t first_row, int32_t rows)
{
    struct mn_window listed_y = {-1, 0, 0}, listed_x = {-1, 0, 0};
    int32_t count = 0;

    for (int32_t oy = first_row; oy < first_row + rows; oy++) {
        const struct mn_window y = mn_clip(oy * p->stride_h - p->pad_h, p->filter_height, p->dilation_h, p->in_h);
        const int8_t *const row = in + mn_slot(y.at, p->in_rows) * p->in_w * p->channels;
        if (p->in_rows < p->in_h) { /* a ring ends at another tap of each window */
            listed_y.first = -1;
        }
        for (int32_t ox = 0; ox < p->out_w; ox++) {
            const struct mn_window x = mn_clip(ox * p->stride_w - p->pad_w, p->filter_width, p->dilation_w, p->in_w);
            if (!mn_same_taps(y, listed_y) || !mn_same_taps(x, listed_x)) {
                count = list_taps(p, y, x, scratch);
                listed_y = y;
                listed_x = x;
            }
            position(p, scratch, count, row + x.at * p->channels, out);
            out += p->channels;
        }
    }
}
