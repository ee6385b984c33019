/* SPDX-License-Identifier: Apache-2.0 */
/* The counter: TIM2, 32 bits wide, which QEMU clocks at 1 GHz: one instruction a tick under `-icount shift=0`. */
#include "board.h"
#include "board_config.h"
#include "soc.h"

#define TIM_CR1_CEN (1u << 0)
#define TIM_EGR_UG (1u << 0)

/* RM0090, section 18.4. */
struct timer {
    volatile uint32_t cr1, cr2, smcr, dier, sr, egr, ccmr1, ccmr2, ccer;
    volatile uint32_t cnt, psc, arr;
};

_Static_assert(offsetof(struct timer, cnt) == 0x24, "cnt");
_Static_assert(offsetof(struct timer, arr) == 0x2C, "arr");

#define TIM2 ((struct timer *)0x40000000u)

const char board_counter_unit[] = "instructions";
const uint32_t board_counter_numerator = BOARD_COUNTER_NUMERATOR;
const uint32_t board_counter_denominator = BOARD_COUNTER_DENOMINATOR;

void counter_init(void)
{
    SOC_TIM2_ENABLE_CLOCK;
    TIM2->psc = 0;
    TIM2->arr = 0xFFFFFFFFu;
    TIM2->egr = TIM_EGR_UG;
    TIM2->cr1 = TIM_CR1_CEN;
}

uint32_t board_counter(void)
{
    return TIM2->cnt;
}
