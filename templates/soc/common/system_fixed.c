/* SPDX-License-Identifier: Apache-2.0 */
/* An emulated machine: its clock is fixed and it has no caches to turn on. */
#include "board.h"
#include "board_config.h"
#include "cortex_m.h"
#include "soc.h"

uint32_t board_clock_hz(void)
{
    return BOARD_CLOCK_HZ;
}

bool board_clock_fallback(void)
{
    return false;
}

void board_init(void)
{
#if defined(__ARM_ARCH_8_1M_MAIN__)
    SCB_CCR |= SCB_CCR_LOB | SCB_CCR_BP | SCB_CCR_IC | SCB_CCR_DC;
    cortex_m_barrier();
#endif
    uart_init(BOARD_CLOCK_HZ);
    counter_init();
}
