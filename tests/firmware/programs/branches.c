/* Without IT blocks (compiled for the Cortex-M0+), so that unicorn's own hook on every instruction counts the same. */
#include <stdint.h>

extern uint32_t stack_top[];
static volatile uint32_t result;

static uint32_t collatz(uint32_t n)
{
    uint32_t steps = 0;
    while (n != 1u) {
        n = n & 1u ? 3u * n + 1u : n >> 1;
        steps++;
    }
    return steps;
}

void reset(void)
{
    uint32_t sum = 0;
    for (uint32_t n = 1; n < 1500u; n++)
        sum += collatz(n) / (n & 15u ? n & 15u : 1u);
    result = sum;
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) static const void *const vectors[] = {stack_top, reset};
