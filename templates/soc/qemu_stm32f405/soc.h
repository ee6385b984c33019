/* SPDX-License-Identifier: Apache-2.0 */
/* The STM32F405 as QEMU emulates it: no clock tree and no pins to set. */
#ifndef SOC_H
#define SOC_H

#include "soc_internal.h"

#define SOC_USART1 0x40011000u
#define BOARD_UART_ENABLE_CLOCK ((void)0)

static inline void soc_uart_pins(void)
{
}

#endif
