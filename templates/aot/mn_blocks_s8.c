/* SPDX-License-Identifier: Apache-2.0 */
#include "mn_blocks_s8.h"

#include "mn_asm.h"
#include "mn_channels.h"
#include "mn_proved.h"

/* What a block's tiles need; on a Cortex-M with DSP in the order in which the assembler takes it. */
struct tile {
    int32_t bias[4];
    int32_t multiplier[4];
    int32_t addend[4];         /* of the high word */
    const int8_t *weights_end; /* less 4, as are all places that the loops count from */
    const int8_t *weights;     /* of the first turn, which may begin in its middle: */
    uint32_t skipped_code;     /* bytes of code */
    const uint8_t *columns_end;
    int8_t *out;
    int32_t out_step;        /* from position to position */
    uint32_t shifts;         /* a byte a channel, or 0 */
    int32_t skipped_columns; /* bytes, and those that the next pair shares with this one */
    int32_t out_advance;     /* from pair to pair */
    int32_t unused;
    const uint8_t *columns;
};

/* How a block's accumulators become outputs. */
static inline void set_output(const struct mn_blocks_s8 *p, int32_t block, struct tile *t)
{
    const int16_t *rounding = p->rounding + block * p->output_step;
    memcpy(t->multiplier, p->multiplier + block * p->output_step, sizeof t->multiplier);
    t->shifts = 0;
    if (rounding[0] >= 0) {
        for (int32_t i = 0; i < MN_BLOCK; i += 2) {
            t->addend[i] = mn_addend(p->zero_point, rounding[i], MN_LAST_SHIFT);
            t->addend[i + 1] = mn_addend(p->zero_point, rounding[i + 1], MN_LAST_SHIFT_OF_256);
        }
        return;
    }
    for (int32_t i = 0; i < MN_BLOCK; i++) {
        t->addend[i] = mn_addend_exact(p->zero_point, -rounding[i]);
        t->shifts |= (uint32_t)-rounding[i] << (8 * i);
    }
}

#if defined(__ARM_FEATURE_DSP)

static void copy_weights(int8_t *to, const int8_t *from, int32_t groups)
{
    __asm__ volatile("1:                              \n\t"
                     "ldmia  %[from]!, {r3, r4, r5, r6}   \n\t"
                     "subs   %[groups], #1            \n\t"
                     "stmia  %[to]!, {r3, r4, r5, r6}     \n\t"
                     "bne    1b                       \n"
                     : [to] "+r"(to), [from] "+r"(from), [groups] "+r"(groups)
                     :
                     : "r3", "r4", "r5", "r6", "cc", "memory");
}

/* Two products of four channels at two positions. r0 to r7: sums of A, A + 256 B, C, C + 256 D at the first and the
 * second position; r12: weights; lr: columns. */
#define PRODUCTS_4X2(ab, cd, first, second) \
    "ldr.w  r8, [r12, #" ab "\n\t"          \
    "ldr.w  r9, [r12, #" cd "\n\t"          \
    "ldr.w  r10, [lr, #" first "\n\t"       \
    "ldr.w  r11, [lr, #" second "\n\t"      \
    "smlad  r2, r8, r10, r2\n\t"            \
    "smlad  r3, r8, r11, r3\n\t"            \
    "sxtb16 r8, r8\n\t"                     \
    "smlad  r6, r9, r10, r6\n\t"            \
    "smlad  r7, r9, r11, r7\n\t"            \
    "sxtb16 r9, r9\n\t"                     \
    "smlad  r0, r8, r10, r0\n\t"            \
    "smlad  r1, r8, r11, r1\n\t"            \
    "smlad  r4, r9, r10, r4\n\t"            \
    "smlad  r5, r9, r11, r5\n\t"
#define PRODUCTS_4X2_BYTES 56
#define PRODUCTS_4X2_A_TURN 8

/* Two accumulators of a channel become bytes. */
#define TWO_PROVED(first, second, shift, multiplier, addend) \
    TAKE("r8", multiplier)                                   \
    TAKE("r9", addend)                                       \
    "smmla  " first ", " first ", r8, r9\n\t"                \
    "smmla  " second ", " second ", r8, r9\n\t"              \
    "ssat   " first ", #8, " first ", asr #" shift "\n\t"    \
    "ssat   " second ", #8, " second ", asr #" shift "\n\t"
#define TWO_EXACT(first, second, twice, multiplier, addend) \
    TAKE("r8", multiplier)                                  \
    TAKE("r9", addend)                                      \
    twice "smmlar r10, " first ", r8, r9\n\t"               \
          "smmlar r11, " second ", r8, r9\n\t"              \
          "add.w  r10, r10, " first ", asr #31\n\t"         \
          "add.w  r11, r11, " second ", asr #31\n\t"        \
          "asr.w  r10, r10, r12\n\t"                        \
          "asr.w  r11, r11, r12\n\t"                        \
          "lsr.w  r12, r12, #8\n\t"                         \
          "ssat   " first ", #8, r10\n\t"                   \
          "ssat   " second ", #8, r11\n\t"
#define TWICE_A(first, second)            \
    "lsl.w  " first ", " first ", #1\n\t" \
    "lsl.w  " second ", " second ", #1\n\t"
#define TWICE_B(first, second)            \
    "asr.w  " first ", " first ", #7\n\t" \
    "asr.w  " second ", " second ", #7\n\t"

#define PROVED_4X2                     \
    TWO_PROVED("r0", "r1", "4", 4, 8)  \
    TWO_PROVED("r2", "r3", "12", 5, 9) \
    TWO_PROVED("r4", "r5", "4", 6, 10) \
    TWO_PROVED("r6", "r7", "12", 7, 11)
#define EXACT_4X2                                     \
    TAKE("r12", 18)                                   \
    TWO_EXACT("r0", "r1", TWICE_A("r0", "r1"), 4, 8)  \
    TWO_EXACT("r2", "r3", TWICE_B("r2", "r3"), 5, 9)  \
    TWO_EXACT("r4", "r5", TWICE_A("r4", "r5"), 6, 10) \
    TWO_EXACT("r6", "r7", TWICE_B("r6", "r7"), 7, 11)

/* All pairs of positions. The turn of the loop that has only a part of its products to do comes first. */
/* clang-format off */
#define TILES_4X2(outputs)                     \
    OPEN_22                                    \
    "ldr    lr, [r0, #88]\n\t"                 \
    ".p2align 2\n"                             \
    "1:\n\t"                                   \
    TAKE("r8", 19)                             \
    "sub.w  lr, lr, r8\n\t"                    \
    TAKE("r0", 0)                              \
    TAKE("r1", 0)                              \
    TAKE("r2", 1)                              \
    TAKE("r3", 1)                              \
    TAKE("r4", 2)                              \
    TAKE("r5", 2)                              \
    TAKE("r6", 3)                              \
    TAKE("r7", 3)                              \
    TAKE("r12", 13)                            \
    TAKE("r9", 14)                             \
    ".p2align 2\n\t"                           \
    "add    pc, r9\n\t"                        \
    "nop\n"                                    \
    "2:\n\t"                                   \
    PRODUCTS_4X2("4]", "8]", "4]", "8]")       \
    PRODUCTS_4X2("12]", "16]", "12]", "16]")   \
    PRODUCTS_4X2("20]", "24]", "20]", "24]")   \
    PRODUCTS_4X2("28]", "32]", "28]", "32]")   \
    PRODUCTS_4X2("36]", "40]", "36]", "40]")   \
    PRODUCTS_4X2("44]", "48]", "44]", "48]")   \
    PRODUCTS_4X2("52]", "56]", "52]", "56]")   \
    PRODUCTS_4X2("60]", "64]!", "60]", "64]!") \
    TAKE("r8", 12)                             \
    "cmp.w  r12, r8\n\t"                       \
    "bne.w  2b\n\t"                            \
    "sub.w  r2, r2, r0\n\t"                    \
    "sub.w  r3, r3, r1\n\t"                    \
    "sub.w  r6, r6, r4\n\t"                    \
    "sub.w  r7, r7, r5\n\t"                    \
    outputs                                    \
    TAKE("r8", 16)                             \
    TAKE("r9", 17)                             \
    TAKE("r10", 15)                            \
    TAKE("r11", 20)                            \
    "add.w  r9, r8, r9\n\t"                    \
    "strb.w r1, [r9]\n\t"                      \
    "strb.w r3, [r9, #1]\n\t"                  \
    "strb.w r5, [r9, #2]\n\t"                  \
    "strb.w r7, [r9, #3]\n\t"                  \
    "strb.w r0, [r8]\n\t"                      \
    "strb.w r2, [r8, #1]\n\t"                  \
    "strb.w r4, [r8, #2]\n\t"                  \
    "strb.w r6, [r8, #3]\n\t"                  \
    "add.w  r8, r8, r11\n\t"                   \
    KEEP(16, "r8")                             \
    "cmp.w  lr, r10\n\t"                       \
    "bne.w  1b\n\t"                            \
    CLOSE_22
/* clang-format on */

/* Four products of four channels at one position. r1 to r4: sums; r10: weights; r11: column. */
#define PRODUCTS_4X1(w0, w1, w2, w3, x0, x1) \
    "ldr.w  r5, [r10, #" w0 "\n\t"           \
    "ldr.w  r6, [r10, #" w1 "\n\t"           \
    "ldr.w  r7, [r10, #" w2 "\n\t"           \
    "ldr.w  r8, [r10, #" w3 "\n\t"           \
    "ldr.w  r9, [r11, #" x0 "\n\t"           \
    "ldr.w  lr, [r11, #" x1 "\n\t"           \
    "smlad  r2, r5, r9, r2\n\t"              \
    "sxtb16 r5, r5\n\t"                      \
    "smlad  r4, r6, r9, r4\n\t"              \
    "sxtb16 r6, r6\n\t"                      \
    "smlad  r1, r5, r9, r1\n\t"              \
    "smlad  r3, r6, r9, r3\n\t"              \
    "smlad  r2, r7, lr, r2\n\t"              \
    "sxtb16 r7, r7\n\t"                      \
    "smlad  r4, r8, lr, r4\n\t"              \
    "sxtb16 r8, r8\n\t"                      \
    "smlad  r1, r7, lr, r1\n\t"              \
    "smlad  r3, r8, lr, r3\n\t"
#define PRODUCTS_4X1_BYTES 72
#define PRODUCTS_4X1_A_TURN 4

#define PROVED_4X1                   \
    "smmla  r1, r1, r5, r9\n\t"      \
    "smmla  r2, r2, r6, r10\n\t"     \
    "smmla  r3, r3, r7, r11\n\t"     \
    "smmla  r4, r4, r8, lr\n\t"      \
    "ssat   r1, #8, r1, asr #4\n\t"  \
    "ssat   r2, #8, r2, asr #12\n\t" \
    "ssat   r3, #8, r3, asr #4\n\t"  \
    "ssat   r4, #8, r4, asr #12\n\t"
#define ONE_EXACT(sum, multiplier, addend)                           \
    "smmlar " multiplier ", " sum ", " multiplier ", " addend "\n\t" \
    "add.w  " multiplier ", " multiplier ", " sum ", asr #31\n\t"    \
    "asr.w  " multiplier ", " multiplier ", r12\n\t"                 \
    "lsr.w  r12, r12, #8\n\t"                                        \
    "ssat   " sum ", #8, " multiplier "\n\t"
#define EXACT_4X1                                                                                                 \
    "ldr    r12, [r0, #72]\n\t"                                                                                   \
    "lsl.w  r1, r1, #1\n\t"                                                                                       \
    "asr.w  r2, r2, #7\n\t"                                                                                       \
    "lsl.w  r3, r3, #1\n\t"                                                                                       \
    "asr.w  r4, r4, #7\n\t" ONE_EXACT("r1", "r5", "r9") ONE_EXACT("r2", "r6", "r10") ONE_EXACT("r3", "r7", "r11") \
        ONE_EXACT("r4", "r8", "lr")

/* clang-format off */
#define TILE_4X1(outputs)                                    \
    "push   {r4-r11, lr}\n\t"                                \
    "ldr.w  r12, [r0, #48]\n\t"                              \
    "ldr.w  r10, [r0, #52]\n\t"                              \
    "ldr.w  r5, [r0, #56]\n\t"                               \
    "ldr.w  r11, [r0, #88]\n\t"                              \
    "ldmia.w r0, {r1-r4}\n\t"                                \
    ".p2align 2\n\t"                                         \
    "add    pc, r5\n\t"                                      \
    "nop\n"                                                  \
    "1:\n\t"                                                 \
    PRODUCTS_4X1("4]", "8]", "12]", "16]", "4]", "8]")       \
    PRODUCTS_4X1("20]", "24]", "28]", "32]", "12]", "16]")   \
    PRODUCTS_4X1("36]", "40]", "44]", "48]", "20]", "24]")   \
    PRODUCTS_4X1("52]", "56]", "60]", "64]!", "28]", "32]!") \
    "cmp.w  r10, r12\n\t"                                    \
    "bne.w  1b\n\t"                                          \
    "sub.w  r2, r2, r1\n\t"                                  \
    "sub.w  r4, r4, r3\n\t"                                  \
    "add.w  r12, r0, #16\n\t"                                \
    "ldmia  r12!, {r5-r8}\n\t"                               \
    "ldmia  r12, {r9-r11, lr}\n\t"                           \
    outputs                                                  \
    "ldr    r5, [r0, #64]\n\t"                               \
    "strb.w r1, [r5]\n\t"                                    \
    "strb.w r2, [r5, #1]\n\t"                                \
    "strb.w r3, [r5, #2]\n\t"                                \
    "strb.w r4, [r5, #3]\n\t"                                \
    "pop    {r4-r11, pc}\n\t"
/* clang-format on */

void mn_tiles_4x2_proved(const struct tile *t);
void mn_tiles_4x2_exact(const struct tile *t);
void mn_tile_4x1_proved(const struct tile *t);
void mn_tile_4x1_exact(const struct tile *t);

FUNCTION("mn_tiles_4x2_proved", TILES_4X2(PROVED_4X2));
FUNCTION("mn_tiles_4x2_exact", TILES_4X2(EXACT_4X2));
FUNCTION("mn_tile_4x1_proved", TILE_4X1(PROVED_4X1));
FUNCTION("mn_tile_4x1_exact", TILE_4X1(EXACT_4X1));

/* Where the loops of all blocks begin: `a_turn` steps a turn, each of `code` bytes; the places of columns. */
static void set_columns(struct tile *t, int32_t steps, const uint32_t *columns, int32_t a_turn, int32_t code)
{
    const int32_t skipped = -steps & (a_turn - 1);
    t->skipped_code = (uint32_t)(skipped * code);
    t->skipped_columns = skipped * MN_GROUP_POSITION;
    t->columns = (const uint8_t *)columns - 4;
}

/* `steps` of the block's weights, each of `bytes`. */
static void set_weights(struct tile *t, const int8_t *weights, int32_t steps, int32_t bytes)
{
    t->weights_end = weights + steps * bytes - 4;
    t->weights = weights - t->skipped_columns / MN_GROUP_POSITION * bytes - 4;
}

static void run_pairs(struct tile *t, const int8_t *weights, int32_t groups, const uint32_t *columns, int32_t advance,
                      int32_t pairs)
{
    const int32_t pair_bytes = groups * 2 * MN_GROUP_POSITION;
    const int32_t shared = pair_bytes - advance;
    set_columns(t, 2 * groups, columns, PRODUCTS_4X2_A_TURN, PRODUCTS_4X2_BYTES);
    set_weights(t, weights, 2 * groups, MN_GROUP_BYTES / 2);
    t->columns_end = t->columns + (pairs - 1) * advance + pair_bytes;
    t->columns += shared;
    t->skipped_columns += shared;
    if (t->shifts == 0) {
        mn_tiles_4x2_proved(t);
    } else {
        mn_tiles_4x2_exact(t);
    }
}

static void run_single(struct tile *t, const int8_t *weights, int32_t groups, const uint32_t *columns)
{
    set_columns(t, groups, columns, PRODUCTS_4X1_A_TURN, PRODUCTS_4X1_BYTES);
    set_weights(t, weights, groups, MN_GROUP_BYTES);
    t->columns -= t->skipped_columns;
    if (t->shifts == 0) {
        mn_tile_4x1_proved(t);
    } else {
        mn_tile_4x1_exact(t);
    }
}

static void positions_of_block(struct tile *t, const int8_t *weights, int32_t groups, const struct mn_positions *at,
                               int8_t *out)
{
    t->out = out;
    t->out_step = at->apart;
    t->out_advance = at->out_advance;
    if (at->pairs > 0) {
        run_pairs(t, weights, groups, at->columns, at->advance, at->pairs);
    }
    if (at->single == MN_NONE) {
        return;
    }
    const uint32_t *last = at->columns + at->pairs * at->advance / 4;
    t->out = out + at->pairs * at->out_advance;
    if (at->single == MN_COLUMN) {
        run_single(t, weights, groups, last);
    } else {
        t->out_step = 0;
        run_pairs(t, weights, groups, last, at->advance, 1);
    }
}

#else

static void copy_weights(int8_t *to, const int8_t *from, int32_t groups)
{
    memcpy(to, from, (size_t)groups * MN_GROUP_BYTES);
}

static int8_t output_of(const struct tile *t, int32_t i, uint32_t sum)
{
    const int32_t shift = (int32_t)(t->shifts >> (8 * i) & 0xFFu);
    const int32_t accumulator = (int32_t)sum;
    if (shift == 0) {
        const int32_t last = i % 2 == 0 ? MN_LAST_SHIFT : MN_LAST_SHIFT_OF_256;
        return mn_proved_output(accumulator, t->multiplier[i], t->addend[i], last);
    }
    return mn_exact_output(i % 2 == 0 ? accumulator * 2 : accumulator >> 7, t->multiplier[i], t->addend[i], shift);
}

static void position_of_block(const struct tile *t, const int8_t *weights, int32_t groups, const uint32_t *column,
                              int32_t stride, int8_t *out)
{
    uint32_t sum[MN_BLOCK];
    memcpy(sum, t->bias, sizeof sum);
    for (int32_t i = 2 * groups; i > 0; i--, weights += MN_GROUP_BYTES / 2, column += stride) {
        const uint32_t ab = mn_load32(weights), cd = mn_load32(weights + 4);
        sum[0] += (uint32_t)mn_smlad(mn_sxtb16(ab), *column, 0);
        sum[1] += (uint32_t)mn_smlad(ab, *column, 0);
        sum[2] += (uint32_t)mn_smlad(mn_sxtb16(cd), *column, 0);
        sum[3] += (uint32_t)mn_smlad(cd, *column, 0);
    }
    out[0] = output_of(t, 0, sum[0]);
    out[1] = output_of(t, 1, sum[1] - sum[0]);
    out[2] = output_of(t, 2, sum[2]);
    out[3] = output_of(t, 3, sum[3] - sum[2]);
}

static void positions_of_block(struct tile *t, const int8_t *weights, int32_t groups, const struct mn_positions *at,
                               int8_t *out)
{
    const uint32_t *column = at->columns;
    for (int32_t i = 0; i < at->pairs; i++, column += at->advance / 4, out += at->out_advance) {
        position_of_block(t, weights, groups, column, 2, out);
        position_of_block(t, weights, groups, column + 1, 2, out + at->apart);
    }
    if (at->single != MN_NONE) {
        position_of_block(t, weights, groups, column, at->single == MN_COLUMN ? 1 : 2, out);
    }
}

#endif

void mn_blocks_s8(const struct mn_blocks_s8 *p, const struct mn_positions *at, int8_t *out, int8_t *copy)
{
    const int32_t weight_bytes = p->groups * MN_GROUP_BYTES;
    const int8_t *weights = p->weights;
    struct tile t;

    for (int32_t c = 0; c < p->out_c; c += MN_BLOCK, weights += weight_bytes) {
        memcpy(t.bias, p->bias + c, sizeof t.bias);
        if (c == 0 || p->output_step != 0) {
            set_output(p, c / MN_BLOCK, &t);
        }
        if (copy != NULL) {
            copy_weights(copy, weights, p->groups);
        }
        positions_of_block(&t, copy != NULL ? copy : weights, p->groups, at, out + mn_group(c, p->out_c));
    }
}
