/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The counter on an emulated machine: SysTick, which QEMU advances by a fixed number of instructions a tick under
 * `-icount shift=0`. It is 24 bits wide and counts down; its interrupt counts the rounds.
 */
#include "board.h"
#include "board_config.h"
#include "cortex_m.h"
#include "soc.h"

#define ROUND 0x01000000u

const char board_counter_unit[] = "instructions";
const uint32_t board_counter_numerator = BOARD_COUNTER_NUMERATOR;
const uint32_t board_counter_denominator = BOARD_COUNTER_DENOMINATOR;

static volatile uint32_t rounds;

void SysTick_Handler(void);
void SysTick_Handler(void)
{
    rounds = rounds + 1;
}

void counter_init(void)
{
    SYSTICK_LOAD = ROUND - 1;
    SYSTICK_VAL = 0;
    SYSTICK_CTRL = SYSTICK_CTRL_CLKSOURCE | SYSTICK_CTRL_TICKINT | SYSTICK_CTRL_ENABLE;
}

/* The interrupt comes when the value reaches zero, so zero is the first tick of a round, not its last. */
uint32_t board_counter(void)
{
    uint32_t before, value;
    do {
        before = rounds;
        value = SYSTICK_VAL;
    } while (before != rounds);
    return before * ROUND + ((0u - value) & (ROUND - 1));
}
