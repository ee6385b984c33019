/* SPDX-License-Identifier: Apache-2.0 */
/* Between float and quantised values, and between quantisations. */
#ifndef MN_QUANTIZE_H
#define MN_QUANTIZE_H

#include <stdint.h>

struct mn_quantize {
    int32_t count;
    float scale;
    int32_t zero_point;
};

#define mn_quantize_f32_s8_params mn_quantize
#define mn_quantize_f32_s16_params mn_quantize
#define mn_dequantize_s8_f32_params mn_quantize
#define mn_dequantize_s16_f32_params mn_quantize

void mn_quantize_f32_s8(const struct mn_quantize_f32_s8_params *p, const float *in, int8_t *out);
void mn_quantize_f32_s16(const struct mn_quantize_f32_s16_params *p, const float *in, int16_t *out);
void mn_dequantize_s8_f32(const struct mn_dequantize_s8_f32_params *p, const int8_t *in, float *out);
void mn_dequantize_s16_f32(const struct mn_dequantize_s16_f32_params *p, const int16_t *in, float *out);

/* The clamp is a field because RELU is one more use of it. */
struct mn_requantize {
    int32_t count;
    int32_t zero_point;
    int32_t multiplier, shift;
    int32_t offset;
    int32_t low, high;
};

#define mn_requantize_s8_s16_params mn_requantize
#define mn_requantize_s8_s32_params mn_requantize
#define mn_requantize_s16_s8_params mn_requantize
#define mn_requantize_s16_s16_params mn_requantize
#define mn_requantize_s16_s32_params mn_requantize
#define mn_requantize_s32_s8_params mn_requantize
#define mn_requantize_s32_s16_params mn_requantize

void mn_requantize_s8_s16(const struct mn_requantize_s8_s16_params *p, const int8_t *in, int16_t *out);
void mn_requantize_s8_s32(const struct mn_requantize_s8_s32_params *p, const int8_t *in, int32_t *out);
void mn_requantize_s16_s8(const struct mn_requantize_s16_s8_params *p, const int16_t *in, int8_t *out);
void mn_requantize_s16_s16(const struct mn_requantize_s16_s16_params *p, const int16_t *in, int16_t *out);
void mn_requantize_s16_s32(const struct mn_requantize_s16_s32_params *p, const int16_t *in, int32_t *out);
void mn_requantize_s32_s8(const struct mn_requantize_s32_s8_params *p, const int32_t *in, int8_t *out);
void mn_requantize_s32_s16(const struct mn_requantize_s32_s16_params *p, const int32_t *in, int16_t *out);

#endif
