/* SPDX-License-Identifier: Apache-2.0 */
#include "mn_depthwise_3x3_s8.h"

#include "mn_asm.h"
#include "mn_channels.h"
#include "mn_proved.h"
#include "mn_simd.h"
#include "mn_window.h"

/* What a strip of a plane needs, some columns of all rows of the band; in the order in which the assembler takes it. */
struct strip {
    int32_t bias, multiplier, addend;
    int32_t row_bytes;    /* of the plane */
    int32_t next;         /* bytes from the third row of one output row to the first of the next */
    int8_t *out;          /* the last output of the strip's first row */
    int32_t out_step;     /* from output to output */
    int32_t skipped_code; /* of the stores, where the strip is narrower than it may be */
    int32_t out_row;      /* from row to row */
    const int16_t *end;   /* behind the last row's first element */
    int32_t shift;        /* or 0 */
    int32_t unused;
    int16_t weights[12]; /* of each row the taps 0 1 1 2 */
    const int16_t *plane;
    int32_t rows, width;
};

#if defined(__ARM_FEATURE_DSP)

enum { WIDTH_STRIDE_1 = 6, WIDTH_STRIDE_2 = 4, STORE_CODE = 8 };

/* r0 to r5: sums; r6 to r11: a row's elements and its taps 0 1 and 1 2; r12: plane; lr: weights. Of a row: */
#define ROW_STRIDE_1(taps_01, taps_12, first)                        \
    "ldr.w   r10, [lr, #" taps_01 "]\n\t"                            \
    "ldr.w   r11, [lr, #" taps_12 "]\n\t"                            \
    "ldr.w   r6, [r12]\n\t"                                          \
    "ldr.w   r7, [r12, #4]\n\t"                                      \
    "ldr.w   r8, [r12, #8]\n\t"                                      \
    "ldr.w   r9, [r12, #12]\n\t" first "smlad   r1, r7, r11, r1\n\t" \
    "smlabt  r2, r8, r11, r2\n\t"                                    \
    "smlad   r3, r8, r11, r3\n\t"                                    \
    "smlabt  r4, r9, r11, r4\n\t"                                    \
    "smlad   r5, r9, r11, r5\n\t"                                    \
    "smlabt  r0, r7, r11, r0\n\t"
#define FIRST_STRIDE_1(s1, s2, s3, s4, s5) \
    "smlatb  r1, r6, r10, " s1 "\n\t"      \
    "smlad   r2, r7, r10, " s2 "\n\t"      \
    "smlatb  r3, r7, r10, " s3 "\n\t"      \
    "smlad   r4, r8, r10, " s4 "\n\t"      \
    "smlatb  r5, r8, r10, " s5 "\n\t"      \
    "smlad   r0, r6, r10, r0\n\t"
#define BIAS_STRIDE_1 FIRST_STRIDE_1("r0", "r0", "r0", "r0", "r0")
#define SUMS_STRIDE_1 FIRST_STRIDE_1("r1", "r2", "r3", "r4", "r5")

#define ROW_STRIDE_2(taps_01, taps_12, first)                        \
    "ldr.w   r10, [lr, #" taps_01 "]\n\t"                            \
    "ldr.w   r11, [lr, #" taps_12 "]\n\t"                            \
    "ldr.w   r5, [r12]\n\t"                                          \
    "ldr.w   r6, [r12, #4]\n\t"                                      \
    "ldr.w   r7, [r12, #8]\n\t"                                      \
    "ldr.w   r8, [r12, #12]\n\t"                                     \
    "ldr.w   r9, [r12, #16]\n\t" first "smlabt  r1, r7, r11, r1\n\t" \
    "smlabt  r2, r8, r11, r2\n\t"                                    \
    "smlabt  r3, r9, r11, r3\n\t"                                    \
    "smlabt  r0, r6, r11, r0\n\t"
#define FIRST_STRIDE_2(s1, s2, s3)    \
    "smlad   r1, r6, r10, " s1 "\n\t" \
    "smlad   r2, r7, r10, " s2 "\n\t" \
    "smlad   r3, r8, r10, " s3 "\n\t" \
    "smlad   r0, r5, r10, r0\n\t"
#define BIAS_STRIDE_2 FIRST_STRIDE_2("r0", "r0", "r0")
#define SUMS_STRIDE_2 FIRST_STRIDE_2("r1", "r2", "r3")

#define PROVED(sum)                        \
    "smmla   " sum ", " sum ", r6, r7\n\t" \
    "ssat    " sum ", #8, " sum ", asr #4\n\t"
#define EXACT(sum)                         \
    "lsl.w   " sum ", " sum ", #1\n\t"     \
    "smmlar  r9, " sum ", r6, r7\n\t"      \
    "add.w   r9, r9, " sum ", asr #31\n\t" \
    "asr.w   r9, r9, r8\n\t"               \
    "ssat    " sum ", #8, r9\n\t"

#define STORE(sum)              \
    "strb.w  " sum ", [r8]\n\t" \
    "sub.w   r8, r8, r9\n\t"

/* All rows of a strip. */
/* clang-format off */
#define STRIP(row, bias, sums, outputs, stores) \
    OPEN_12                                     \
    "ldr.w   r12, [r0, #72]\n\t"                \
    "add.w   lr, r0, #48\n\t"                   \
    ".p2align 2\n"                              \
    "1:\n\t"                                    \
    TAKE("r0", 0)                               \
    row("0", "4", bias)                         \
    TAKE("r10", 3)                              \
    "add.w   r12, r12, r10\n\t"                 \
    row("8", "12", sums)                        \
    TAKE("r10", 3)                              \
    "add.w   r12, r12, r10\n\t"                 \
    row("16", "20", sums)                       \
    TAKE("r6", 1)                               \
    TAKE("r7", 2)                               \
    TAKE("r8", 10)                              \
    outputs                                     \
    TAKE("r8", 5)                               \
    TAKE("r9", 6)                               \
    TAKE("r10", 8)                              \
    "add.w   r10, r8, r10\n\t"                  \
    KEEP(5, "r10")                              \
    TAKE("r11", 7)                              \
    ".p2align 2\n\t"                            \
    "add     pc, r11\n\t"                       \
    "nop\n\t"                                   \
    stores                                      \
    TAKE("r8", 4)                               \
    TAKE("r9", 9)                               \
    "add.w   r12, r12, r8\n\t"                  \
    "cmp.w   r12, r9\n\t"                       \
    "bne.w   1b\n\t"                            \
    CLOSE_12
/* clang-format on */

#define FOUR(of) of("r3") of("r2") of("r1") of("r0")
#define SIX(of) of("r5") of("r4") FOUR(of)

void mn_strip_3x3_stride_1_proved(const struct strip *s);
void mn_strip_3x3_stride_1_exact(const struct strip *s);
void mn_strip_3x3_stride_2_proved(const struct strip *s);
void mn_strip_3x3_stride_2_exact(const struct strip *s);

FUNCTION("mn_strip_3x3_stride_1_proved", STRIP(ROW_STRIDE_1, BIAS_STRIDE_1, SUMS_STRIDE_1, SIX(PROVED), SIX(STORE)));
FUNCTION("mn_strip_3x3_stride_1_exact", STRIP(ROW_STRIDE_1, BIAS_STRIDE_1, SUMS_STRIDE_1, SIX(EXACT), SIX(STORE)));
FUNCTION("mn_strip_3x3_stride_2_proved", STRIP(ROW_STRIDE_2, BIAS_STRIDE_2, SUMS_STRIDE_2, FOUR(PROVED), FOUR(STORE)));
FUNCTION("mn_strip_3x3_stride_2_exact", STRIP(ROW_STRIDE_2, BIAS_STRIDE_2, SUMS_STRIDE_2, FOUR(EXACT), FOUR(STORE)));

static int32_t widest(int32_t stride)
{
    return stride == 1 ? WIDTH_STRIDE_1 : WIDTH_STRIDE_2;
}

static void run(struct strip *s, int32_t stride)
{
    s->out += (s->width - 1) * s->out_step;
    s->skipped_code = (widest(stride) - s->width) * STORE_CODE;
    if (stride == 1 && s->shift == 0) {
        mn_strip_3x3_stride_1_proved(s);
    } else if (stride == 1) {
        mn_strip_3x3_stride_1_exact(s);
    } else if (s->shift == 0) {
        mn_strip_3x3_stride_2_proved(s);
    } else {
        mn_strip_3x3_stride_2_exact(s);
    }
}

#else

static int32_t widest(int32_t stride)
{
    return INT16_MAX * stride;
}

static inline int32_t taps(const int16_t *x, const int16_t *w)
{
    return x[0] * w[0] + x[1] * w[1] + x[2] * w[3];
}

static void run(struct strip *s, int32_t stride)
{
    const int32_t row = s->row_bytes / 2;
    int8_t *out = s->out;
    for (int32_t y = 0; y < s->rows; y++, out += s->out_row) {
        const int16_t *plane = s->plane + y * (s->next / 2 + 2 * row);
        for (int32_t x = 0; x < s->width; x++, plane += stride) {
            const int32_t sum = s->bias + taps(plane, s->weights) + taps(plane + row, s->weights + 4) +
                                taps(plane + 2 * row, s->weights + 8);
            out[x * s->out_step] = s->shift == 0 ? mn_proved_output(sum, s->multiplier, s->addend, MN_LAST_SHIFT)
                                                 : mn_exact_output(sum * 2, s->multiplier, s->addend, s->shift);
        }
    }
}

#endif

/* Where four planes are, and how a row of them is filled. */
struct planes {
    int16_t *at;
    int32_t size;    /* elements of a plane */
    int32_t row;     /* of a row */
    uint32_t offset; /* less the zero point, twice */
};

/* Four channels of a pixel. */
static inline void put_pixel(const int8_t *from, int16_t *to, int32_t plane, uint32_t offset)
{
    const uint32_t x = mn_load32(from);
    const uint32_t even = mn_sxtab16(offset, x), odd = mn_sxtab16_ror8(offset, x);
    to[0] = (int16_t)(even & 0xFFFFu);
    to[plane] = (int16_t)(odd & 0xFFFFu);
    to[2 * plane] = (int16_t)(even >> 16);
    to[3 * plane] = (int16_t)(odd >> 16);
}

/* Whole rows that lie one after the other: the first pixel alone where it is the second half of a word. */
static void transpose(const struct planes *p, const int8_t *from, int32_t rows, int32_t width, int32_t channels,
                      int16_t *to)
{
    const uint32_t offset = p->offset;
    const int32_t plane = p->size;
    const int32_t alone = ((uintptr_t)to & 2u) != 0;
    const int32_t pairs = (width - alone) / 2;
    for (; rows > 0; rows--) {
        if (alone) {
            put_pixel(from, to, plane, offset);
            from += channels;
            to++;
        }
        for (int32_t i = pairs; i > 0; i--) {
            const uint32_t x = mn_load32(from), y = mn_load32(from + channels);
            const uint32_t x02 = mn_sxtab16(offset, x), x13 = mn_sxtab16_ror8(offset, x);
            const uint32_t y02 = mn_sxtab16(offset, y), y13 = mn_sxtab16_ror8(offset, y);
            mn_store32(to, mn_pack_low(x02, y02));
            mn_store32(to + plane, mn_pack_low(x13, y13));
            mn_store32(to + 2 * plane, mn_pack_high(x02, y02));
            mn_store32(to + 3 * plane, mn_pack_high(x13, y13));
            from += 2 * channels;
            to += 2;
        }
        if ((width - alone) % 2 != 0) {
            put_pixel(from, to, plane, offset);
            from += channels;
            to++;
        }
        to += p->row - width;
    }
}

/* Input rows from y on, four channels from `in` on; padding is zero already. */
static void fill(const struct mn_depthwise_3x3_s8_params *p, const int8_t *in, int32_t y, int32_t rows,
                 const struct planes *planes)
{
    int16_t *to = planes->at + p->pad_w;
    if (y < 0) {
        to -= y * p->row;
        rows += y;
        y = 0;
    }
    rows = rows < p->in_h - y ? rows : p->in_h - y;
    while (rows > 0) { /* a ring may end */
        const int32_t slot = mn_slot(y, p->in_rows);
        const int32_t together = rows < p->in_rows - slot ? rows : p->in_rows - slot;
        transpose(planes, in + slot * p->in_w * p->channels, together, p->in_w, p->channels, to);
        to += together * p->row;
        rows -= together;
        y += together;
    }
}

/* One channel of the band. */
static void make_channel(const struct mn_depthwise_3x3_s8_params *p, int32_t channel, const int16_t *plane, int8_t *out,
                         int32_t rows)
{
    const int8_t *w = p->weights + 9 * channel;
    const int32_t rounding = p->rounding[channel * p->output_step];
    struct strip s;
    s.bias = p->bias[channel];
    s.multiplier = p->multiplier[channel * p->output_step];
    s.shift = rounding < 0 ? -rounding : 0;
    s.addend = s.shift == 0 ? mn_addend(p->out_zero_point, rounding, MN_LAST_SHIFT)
                            : mn_addend_exact(p->out_zero_point, s.shift);
    s.row_bytes = 2 * p->row;
    s.next = (p->stride_h - 2) * s.row_bytes;
    s.out_step = p->channels;
    s.out_row = p->channels * p->out_w;
    s.rows = rows;
    for (int32_t i = 0; i < 12; i += 4, w += 3) {
        s.weights[i] = w[0];
        s.weights[i + 1] = s.weights[i + 2] = w[1];
        s.weights[i + 3] = w[2];
    }
    for (int32_t x = 0; x < p->out_w; x += s.width) {
        const int32_t left = p->out_w - x;
        s.width = left < widest(p->stride_w) ? left : widest(p->stride_w);
        s.plane = plane + x * p->stride_w;
        s.end = s.plane + rows * p->stride_h * p->row;
        s.out = out + x * p->channels;
        run(&s, p->stride_w);
    }
}

void mn_depthwise_3x3_s8(const struct mn_depthwise_3x3_s8_params *p, const int8_t *in, int8_t *out, void *scratch,
                         int32_t first_row, int32_t rows)
{
    for (int32_t left = rows; left > 0; left -= p->band, first_row += p->band) {
        const int32_t count = left < p->band ? left : p->band;
        const int32_t in_rows = (count - 1) * p->stride_h + 3;
        const int32_t plane = in_rows * p->row;
        const struct planes planes = {scratch, plane, p->row, ((uint32_t)-p->in_zero_point & 0xFFFFu) * 0x10001u};
        memset(scratch, 0, (size_t)(8 * plane + 16));
        for (int32_t c = 0; c < p->channels; c += 4) {
            const int32_t group = mn_group(c, p->channels);
            fill(p, in + group, first_row * p->stride_h - p->pad_h, in_rows, &planes);
            for (int32_t i = 0; i < 4; i++) {
                make_channel(p, group + i, planes.at + i * plane, out + group + i, count);
            }
        }
        out += count * p->out_w * p->channels;
    }
}
