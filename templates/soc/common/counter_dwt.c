/* SPDX-License-Identifier: Apache-2.0 */
/* The counter: the core's own cycle counter, DWT CYCCNT. */
#include "board.h"
#include "cortex_m.h"
#include "soc.h"

const char board_counter_unit[] = "cycles";
const uint32_t board_counter_numerator = 1;
const uint32_t board_counter_denominator = 1;

void counter_init(void)
{
    DEMCR |= DEMCR_TRCENA;
    DWT_LAR = DWT_LAR_UNLOCK; /* the Cortex-M7 locks its DWT; elsewhere the write is ignored */
    DWT_CYCCNT = 0;
    DWT_CTRL |= DWT_CTRL_CYCCNTENA;
}

uint32_t board_counter(void)
{
    return DWT_CYCCNT;
}
