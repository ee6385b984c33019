/* Every kind of control flow that could confuse a counter of instructions. */
#include "work.h"

#include <string.h>

typedef uint32_t (*step)(uint32_t);

static uint32_t add(uint32_t x)
{
    return x + 3u;
}

static uint32_t turn(uint32_t x)
{
    return x << 7 | x >> 25;
}

static const step steps[] = {add, turn};
static uint32_t buffer[64];

/* Longer than a translated block and than a page of the emulator. */
__attribute__((noinline)) static uint32_t straight(uint32_t x)
{
    __asm volatile(".rept 1500\n\tadd %0, %0, #1\n\tnop\n\t.endr" : "+r"(x));
    return x;
}

static uint32_t choose(uint32_t x)
{
    switch (x & 7u) { /* a table branch */
    case 0: return x + 1u;
    case 1: return x ^ 0x55u;
    case 2: return x * 3u;
    case 3: return x >> 1;
    case 4: return ~x;
    case 5: return x - 9u;
    case 6: return x | 1u;
    default: return x & 0xFFFFFFu;
    }
}

static int32_t clamp(int32_t x)
{
    return x < -128 ? -128 : x > 127 ? 127 : x; /* IT blocks */
}

uint32_t work(uint32_t rounds)
{
    uint32_t x = 1, sum = 0;
    float f = 1.0f;
    for (uint32_t i = 0; i < rounds; i++) {
        x = x * 1664525u + 1013904223u;
        x = steps[x >> 31](x);
        x = choose(x);
        sum += (uint32_t)clamp((int32_t)x >> 20);
        const uint64_t wide = (uint64_t)x * sum; /* a library call in the middle */
        sum ^= (uint32_t)(wide / (i + 3u));
        f = f * 1.0001f + 0.5f;
        buffer[i & 63u] = sum;
        if ((x & 0x30u) == 0x10u) {
            memmove(&buffer[1], &buffer[0], (x >> 8 & 31u) * sizeof buffer[0]);
        }
        if (i % 500u == 0u) {
            sum = straight(sum);
        }
    }
    return sum ^ buffer[5] ^ (uint32_t)f;
}
