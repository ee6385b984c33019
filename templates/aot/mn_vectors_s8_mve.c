/* SPDX-License-Identifier: Apache-2.0 */
#include "mn_vectors_s8_mve.h"

struct rows {
    const int8_t *r0, *r1, *r2, *r3;
};

/* Four rows times one vector. In assembler, since the compiler does not form loops with tail predication. */
static inline int32x4_t dot_x4(struct rows w, const int8_t *x, int32_t n)
{
    int32_t a0 = 0, a1 = 0, a2 = 0, a3 = 0;
    __asm__ volatile("wlstp.8     lr, %[n], 2f      \n"
                     "1:                            \n\t"
                     "vldrb.8     q0, [%[x]], #16   \n\t"
                     "vldrb.8     q1, [%[w0]], #16  \n\t"
                     "vmladava.s8 %[a0], q0, q1     \n\t"
                     "vldrb.8     q2, [%[w1]], #16  \n\t"
                     "vmladava.s8 %[a1], q0, q2     \n\t"
                     "vldrb.8     q3, [%[w2]], #16  \n\t"
                     "vmladava.s8 %[a2], q0, q3     \n\t"
                     "vldrb.8     q1, [%[w3]], #16  \n\t"
                     "vmladava.s8 %[a3], q0, q1     \n\t"
                     "letp        lr, 1b            \n"
                     "2:                            \n"
                     : [a0] "+Te"(a0), [a1] "+Te"(a1), [a2] "+Te"(a2), [a3] "+Te"(a3), [w0] "+r"(w.r0), [w1] "+r"(w.r1),
                       [w2] "+r"(w.r2), [w3] "+r"(w.r3), [x] "+r"(x)
                     : [n] "r"(n)
                     : "q0", "q1", "q2", "q3", "lr", "memory");
    int32x4_t result = vdupq_n_s32(a0);
    result = vsetq_lane_s32(a1, result, 1);
    result = vsetq_lane_s32(a2, result, 2);
    return vsetq_lane_s32(a3, result, 3);
}

void mn_vectors_s8_mve(const struct mn_vectors_s8_mve_params *p, const int8_t *in, int8_t *out)
{
    const struct mn_output_mve *output = &p->output;
    const int32x4_t low = vdupq_n_s32(output->act_min), high = vdupq_n_s32(output->act_max);
    const int32_t depth = p->in_c;

    for (int32_t v = 0; v < p->vectors; v++, in += depth, out += p->out_c) {
        const int8_t *weights = p->weights;
        for (int32_t c = 0; c < p->out_c; c += 4, weights += 4 * depth) {
            const int32_t left = p->out_c - c;
            /* Rows that do not exist repeat the first; their outputs are not stored. */
            const struct rows w = {
                weights,
                left > 1 ? weights + depth : weights,
                left > 2 ? weights + 2 * depth : weights,
                left > 3 ? weights + 3 * depth : weights,
            };
            const int32x4_t acc = vaddq_s32(dot_x4(w, in, depth), vld1q_s32(p->bias + c));
            const int32_t i = c & output->channel_mask;
            const int32x4_t scaled =
                mn_requant_x4(acc, vld1q_s32(output->multiplier + i), vldrbq_s32(output->shift + i));
            const int32x4_t shifted = vaddq_n_s32(scaled, output->zero_point);
            vstrbq_p_s32(out + c, vminq_s32(vmaxq_s32(shifted, low), high), vctp32q((uint32_t)left));
        }
    }
}
