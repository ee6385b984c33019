/* SPDX-License-Identifier: Apache-2.0 */
/* The few instructions of the DSP extension that the kernels are written with, and the same in plain C. */
#ifndef MN_SIMD_H
#define MN_SIMD_H

#include <stdint.h>
#include <string.h>

/* Unaligned loads and stores; one instruction each on Cortex-M3 and up. */
static inline uint32_t mn_load32(const void *p)
{
    uint32_t value;
    memcpy(&value, p, sizeof value);
    return value;
}

static inline void mn_store32(void *p, uint32_t value)
{
    memcpy(p, &value, sizeof value);
}

#if defined(__ARM_FEATURE_DSP)

#include <arm_acle.h>

/* Before a loop in assembler: an M4 loses a cycle for every third 32-bit instruction in a row that lies at 2 mod 4. */
#define MN_ALIGN ".p2align 2                                  \n\t"

/* Two int16 products added to the accumulator. */
static inline int32_t mn_smlad(uint32_t a, uint32_t b, int32_t accumulator)
{
    return __smlad((int16x2_t)a, (int16x2_t)b, accumulator);
}

/* Bytes 0 and 2 as two int16. */
static inline uint32_t mn_sxtb16(uint32_t x)
{
    return (uint32_t)__sxtb16((int8x4_t)x);
}

/* Bytes 1 and 3 as two int16. */
static inline uint32_t mn_sxtb16_ror8(uint32_t x)
{
    uint32_t result;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(result) : "r"(x));
    return result;
}

/* Bytes 0 and 2 as two int16, each plus a half of the addend. */
static inline uint32_t mn_sxtab16(uint32_t addend, uint32_t x)
{
    uint32_t result;
    __asm__("sxtab16 %0, %1, %2" : "=r"(result) : "r"(addend), "r"(x));
    return result;
}

static inline uint32_t mn_sxtab16_ror8(uint32_t addend, uint32_t x)
{
    uint32_t result;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(result) : "r"(addend), "r"(x));
    return result;
}

/* Products of the low halves and of the high halves, added to the accumulator. */
static inline int32_t mn_smlabb(uint32_t a, uint32_t b, int32_t accumulator)
{
    return __smlabb((int32_t)a, (int32_t)b, accumulator);
}

static inline int32_t mn_smlatt(uint32_t a, uint32_t b, int32_t accumulator)
{
    return __smlatt((int32_t)a, (int32_t)b, accumulator);
}

/* The low halves of two words, those of the first below; the high halves. */
static inline uint32_t mn_pack_low(uint32_t a, uint32_t b)
{
    uint32_t result;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(result) : "r"(a), "r"(b));
    return result;
}

static inline uint32_t mn_pack_high(uint32_t a, uint32_t b)
{
    uint32_t result;
    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(result) : "r"(b), "r"(a));
    return result;
}

/* High word of the product, rounded. */
static inline int32_t mn_smmulr(int32_t a, int32_t b)
{
    int32_t result;
    __asm__("smmulr %0, %1, %2" : "=r"(result) : "r"(a), "r"(b));
    return result;
}

/* The larger and the smaller of four pairs of int8. */
static inline uint32_t mn_max_4x8(uint32_t a, uint32_t b)
{
    (void)__ssub8((int8x4_t)a, (int8x4_t)b);
    return __sel(a, b);
}

static inline uint32_t mn_min_4x8(uint32_t a, uint32_t b)
{
    (void)__ssub8((int8x4_t)a, (int8x4_t)b);
    return __sel(b, a);
}

/* Saturation of x / 2, rounded down, to int8. */
static inline int32_t mn_ssat8_half(int32_t x)
{
    int32_t result;
    __asm__("ssat %0, #8, %1, asr #1" : "=r"(result) : "r"(x));
    return result;
}

#else

static inline int32_t mn_low(uint32_t x)
{
    return (int16_t)(x & 0xFFFFu);
}

static inline int32_t mn_high(uint32_t x)
{
    return (int16_t)(x >> 16);
}

static inline uint32_t mn_pair(int32_t low, int32_t high)
{
    return ((uint32_t)low & 0xFFFFu) | (uint32_t)high << 16;
}

static inline int32_t mn_smlad(uint32_t a, uint32_t b, int32_t accumulator)
{
    return accumulator + mn_low(a) * mn_low(b) + mn_high(a) * mn_high(b);
}

static inline uint32_t mn_sxtb16(uint32_t x)
{
    return mn_pair((int8_t)(x & 0xFFu), (int8_t)(x >> 16 & 0xFFu));
}

static inline uint32_t mn_sxtb16_ror8(uint32_t x)
{
    return mn_sxtb16(x >> 8);
}

static inline uint32_t mn_sxtab16(uint32_t addend, uint32_t x)
{
    const uint32_t wide = mn_sxtb16(x);
    return mn_pair(mn_low(addend) + mn_low(wide), mn_high(addend) + mn_high(wide));
}

static inline uint32_t mn_sxtab16_ror8(uint32_t addend, uint32_t x)
{
    return mn_sxtab16(addend, x >> 8);
}

static inline int32_t mn_smlabb(uint32_t a, uint32_t b, int32_t accumulator)
{
    return accumulator + mn_low(a) * mn_low(b);
}

static inline int32_t mn_smlatt(uint32_t a, uint32_t b, int32_t accumulator)
{
    return accumulator + mn_high(a) * mn_high(b);
}

static inline uint32_t mn_pack_low(uint32_t a, uint32_t b)
{
    return (a & 0xFFFFu) | b << 16;
}

static inline uint32_t mn_pack_high(uint32_t a, uint32_t b)
{
    return a >> 16 | (b & 0xFFFF0000u);
}

static inline int32_t mn_smmulr(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + 0x80000000LL) >> 32);
}

static inline uint32_t mn_max_4x8(uint32_t a, uint32_t b)
{
    uint32_t result = 0;
    for (int32_t i = 0; i < 32; i += 8) {
        const int8_t x = (int8_t)(a >> i & 0xFFu);
        const int8_t y = (int8_t)(b >> i & 0xFFu);
        result |= (uint32_t)(uint8_t)(x > y ? x : y) << i;
    }
    return result;
}

static inline uint32_t mn_min_4x8(uint32_t a, uint32_t b)
{
    return ~mn_max_4x8(~a, ~b);
}

static inline int32_t mn_ssat8_half(int32_t x)
{
    const int32_t half = x >> 1;
    return half < -128 ? -128 : half > 127 ? 127 : half;
}

#endif

#endif
