/* SPDX-License-Identifier: Apache-2.0 */
#include "mn_depthwise_s8_mve.h"

#include "mn_window.h"

/* ring: whether the input's rows may begin anew within a window; a constant, so that whole inputs pay nothing. */
__attribute__((always_inline)) static inline void make_rows(const struct mn_depthwise_s8_mve_params *p,
                                                            const int8_t *in, int8_t *out, int32_t first_row,
                                                            int32_t rows, const int ring)
{
    const struct mn_output_mve *output = &p->output;
    const int32_t channels = p->channels;
    const int16_t offset = (int16_t)-p->in_zero_point;
    const int32_t x_step = p->dilation_w * channels;
    const int32_t x_row_step = p->dilation_h * p->in_w * channels;
    const int32_t ring_step = p->in_rows * p->in_w * channels;
    const int32_t w_row_step = p->filter_width * channels;

    for (int32_t oy = first_row; oy < first_row + rows; oy++) {
        const struct mn_window y = mn_clip(oy * p->stride_h - p->pad_h, p->filter_height, p->dilation_h, p->in_h);
        const int32_t slot = mn_slot(y.at, p->in_rows);
        const int8_t *const row = in + slot * p->in_w * channels;
        /* The first tap that lies at the ring's start again. */
        const int32_t again = ring ? (p->in_rows - slot + p->dilation_h - 1) / p->dilation_h : 0;
        for (int32_t ox = 0; ox < p->out_w; ox++, out += channels) {
            const struct mn_window x = mn_clip(ox * p->stride_w - p->pad_w, p->filter_width, p->dilation_w, p->in_w);
            const int8_t *from = row + x.at * channels;
            const int8_t *weights = p->weights + (y.first * p->filter_width + x.first) * channels;

            for (int32_t c = 0; c < channels; c += 8) {
                const mve_pred16_t some = vctp16q((uint32_t)(channels - c));
                int32x4_t even = vld1q_s32(p->bias + c), odd = vld1q_s32(p->bias + c + 4);
                for (int32_t ky = 0; ky < y.count; ky++) {
                    const int8_t *x_at = from + c + ky * x_row_step - (ring && ky >= again ? ring_step : 0);
                    const int8_t *w_at = weights + c + ky * w_row_step;
                    for (int32_t kx = 0; kx < x.count; kx++, x_at += x_step, w_at += channels) {
                        const int16x8_t v = vaddq_n_s16(vldrbq_z_s16(x_at, some), offset);
                        const int16x8_t w = vldrbq_z_s16(w_at, some);
                        even = vaddq_s32(even, vmullbq_int_s16(v, w));
                        odd = vaddq_s32(odd, vmulltq_int_s16(v, w));
                    }
                }
                const int32_t *m = output->multiplier + c;
                const int8_t *s = output->shift + c;
                even = vaddq_n_s32(mn_requant_x4(even, vld1q_s32(m), vldrbq_s32(s)), output->zero_point);
                odd = vaddq_n_s32(mn_requant_x4(odd, vld1q_s32(m + 4), vldrbq_s32(s + 4)), output->zero_point);
                int16x8_t both = vqmovntq_s32(vqmovnbq_s32(vdupq_n_s16(0), even), odd);
                both = vmaxq_s16(both, vdupq_n_s16(output->act_min));
                both = vminq_s16(both, vdupq_n_s16(output->act_max));
                vstrbq_p_s16(out + c, both, some);
            }
        }
    }
}

void mn_depthwise_s8_mve(const struct mn_depthwise_s8_mve_params *p, const int8_t *in, int8_t *out, int32_t first_row,
                         int32_t rows)
{
    if (p->in_rows < p->in_h) {
        make_rows(p, in, out, first_row, rows, 1);
    } else {
        make_rows(p, in, out, first_row, rows, 0);
    }
}
